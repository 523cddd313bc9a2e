/** What is left of secrets and ssh sockets, and who can read them meanwhile. */
import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { getMachine, NAMESPACES, stepOutput } from '../support/rootless.js';
import {
  context,
  dockerfile,
  getOutput,
  machine,
  printed,
  processesWith,
  WIAC,
} from '../support/wiac.js';

const SECRET = 'hunter-of-snarks';

/** Files of this machine that hold the secret. */
async function filesWithSecret(...directories: string[]): Promise<string[]> {
  const { stdout } = await execa('grep', ['-rls', SECRET, '--', ...directories], { reject: false });
  return stdout.split('\n').filter(Boolean);
}

function named(directory: string, prefix: string): string[] {
  return readdirSync(directory).filter((name) => name.startsWith(prefix));
}

describe.each(NAMESPACES)('$user, $flag', ({ user, flag }) => {
  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'nothing is left of a build after %s',
    async (signal) => {
      const made = getMachine(user);
      const mounts = '--mount=type=secret,id=s --mount=type=secret,id=s,env=S --mount=type=ssh';
      const root = context({
        Dockerfile: dockerfile(`RUN ${mounts} cat /run/secrets/s; echo; exec sleep 100`),
      });
      chmodSync(root, 0o755);
      const key = join(made.tmp, 'key');
      await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
      chmodSync(key, 0o644);
      const flags = [flag, '--secret=id=s,env=SECRET', `--ssh=default=${key}`, '--progress=plain'];
      const [program = '', ...rest] = [
        ...made.command,
        process.execPath,
        WIAC,
        'build',
        ...flags,
        root,
      ];
      const env = { ...made.env, SECRET };
      const child = execa(program, rest, { env, cwd: '/', reject: false, stdin: 'ignore' });
      await printed(child.stderr, `| ${SECRET}`);
      const places = ['/dev/shm', made.tmp, made.root];
      expect(await filesWithSecret(...places)).toEqual([]);
      // In a user namespace another process works for the one that is killed, and ends after it.
      const pids = processesWith(root);
      child.kill(signal);
      await child;
      while (pids.some((pid) => existsSync(`/proc/${pid}`)))
        await new Promise((resume) => setTimeout(resume, 20));
      await stepOutput(made, context({ Dockerfile: dockerfile() }), []);
      expect(await filesWithSecret(...places)).toEqual([]);
      expect(named('/dev/shm', 'wiac-')).toEqual([]);
      expect(named(made.tmp, 'wiac-')).toEqual([]);
      expect(readdirSync(join(made.root, 'tmp'))).toEqual([]);
    },
  );

  test('a secret has the bytes, the owner and the mode that were asked for', async () => {
    const made = getMachine(user);
    const file = join(made.tmp, 'bytes');
    const bytes = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 256));
    writeFileSync(file, bytes, { mode: 0o644 });
    const mount = '--mount=type=secret,id=s,target=/s,uid=65534,gid=7,mode=0440';
    const script =
      "/bin/busybox sha256sum /s; stat -c '%u %g %a' /s; (echo x > /s) 2>&1; (chmod 777 /s) 2>&1";
    const root = context({ Dockerfile: dockerfile(`RUN ${mount} ${script}; true`) });
    const lines = await stepOutput(made, root, [flag, `--secret=id=s,src=${file}`]);
    const { stdout } = await execa('sha256sum', [file]);
    expect(lines).toEqual([
      `${stdout.split(' ')[0]}  /s`,
      '65534 7 440',
      expect.stringContaining('Read-only file system'),
      expect.stringContaining('Read-only file system'),
    ]);
  });
});

test('secrets of steps that run at once are apart', async () => {
  const lines = ['FROM scratch AS base', 'COPY bin /bin'];
  const names = ['a', 'b', 'c', 'd'];
  for (const name of names) {
    lines.push(`FROM base AS ${name}`);
    lines.push(
      `RUN --mount=type=secret,id=${name} cat /run/secrets/${name} && sleep 0.3 && ls /run/secrets`,
    );
  }
  lines.push('FROM scratch', ...names.map((name) => `COPY --from=${name} /bin/sh /${name}`));
  const root = context({ Dockerfile: lines.join('\n') });
  const secrets = names.map((name) => `--secret=id=${name},env=SECRET_${name}`);
  const env = Object.fromEntries(names.map((name) => [`SECRET_${name}`, `value ${name}\n`]));
  const { stderr } = await machine().wiac(['build', '--progress=json', '-j4', ...secrets, root], {
    env,
  });
  const output = getOutput(
    stderr
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line)),
  );
  expect(output.sort()).toEqual([...names, ...names.map((name) => `value ${name}`)].sort());
});
