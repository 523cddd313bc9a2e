/** `wiac bake` of a definition in a repository or on a web server. */
import { readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { bake } from '../support/bake.js';
import { warmMachines } from '../support/warm-command.js';
import { repository, serveFiles } from '../support/web-server.js';
import { tempDir, writeTree } from '../support/wiac.js';

const machine = warmMachines();

describe('a definition of a repository', () => {
  const FILES = {
    'docker-bake.hcl': `
      group "default" { targets = ["top", "deep"] }
      target "top" { dockerfile = "top.Dockerfile" }
      target "deep" { context = "sub" }
      target "here" {
        context = "cwd://"
        dockerfile-inline = "FROM scratch\\nCOPY local /local\\n"
      }
      target "away" { context = "cwd://../" }
      target "secret" { secret = ["id=x,src=/etc/passwd"] }
      target "command" { args = { C = BAKE_CMD_CONTEXT } }`,
    'other.hcl': 'target "default" { args = { A = "other" } }',
    'compose.yaml': 'include: [sub/more.yaml]',
    'sub/more.yaml': 'services: { more: { build: . } }',
    'top.Dockerfile': 'FROM scratch\nCOPY file /top\n',
    file: 'of the repository',
    'sub/Dockerfile': 'FROM scratch\nCOPY below /deep\n',
    'sub/below': 'of a directory in it',
  };

  test('its contexts are in there; cwd:// is here, and nothing else of here is read', async () => {
    const one = machine();
    const { root, git } = await repository(FILES);
    const cwd = tempDir();
    writeTree(cwd, { local: 'of here', 'local.hcl': 'target "top" { args = { B = "here" } }' });
    const address = `file://${root}/r.git#main`;
    const env = { TMPDIR: tempDir() };
    const wiac = (...args: string[]) => one.wiac(['bake', address, ...args], { cwd, env });
    const { lines } = await bake(one, cwd, [address, 'top', 'deep', 'here'], env);
    const contents = lines.map(([name = '', layer = '']) =>
      readFileSync(join(layer, name === 'here' ? 'local' : name), 'utf8'),
    );
    expect(contents).toEqual(['of the repository', 'of a directory in it', 'of here']);

    const printed = await wiac('--print', '-f', 'docker-bake.hcl', '-f', 'cwd://local.hcl');
    expect(JSON.parse(printed.stdout).target).toEqual({
      top: { context: address, dockerfile: 'top.Dockerfile', args: { B: 'here' } },
      deep: { context: `${address}:sub`, dockerfile: 'Dockerfile' },
    });
    const more = await wiac('--print', 'more');
    expect(JSON.parse(more.stdout).target.more.context).toBe(`${address}:sub`);
    const other = await one.wiac(
      ['bake', `file://${root}/r.git`, 'https://example.org/c.git', 'command', '--print'],
      { cwd, env },
    );
    expect(other.stdout).toContain('"C": "https://example.org/c.git"');

    const refusals: [string[], string][] = [
      [['away'], `--allow fs.read=${dirname(cwd)}`],
      [['secret'], '--allow fs.read=/etc/passwd'],
      [['-f', '../x.hcl'], 'leads out of the repository'],
      [['-f', 'nosuch.hcl'], 'there is no such file'],
      [['nosuch'], 'there is no target nosuch'],
    ];
    for (const [args, message] of refusals)
      expect(await wiac(...args)).toMatchObject({
        exitCode: 2,
        stderr: expect.stringContaining(message),
      });
    await git('checkout', '-q', '-b', 'links');
    symlinkSync('/etc/hostname', join(root, 'work/docker-bake.json'));
    await git('add', '.');
    await git('commit', '-q', '-m', 'two');
    await git('push', '-q', join(root, 'r.git'), 'links');
    const link = await one.wiac(['bake', `file://${root}/r.git#links`, '--print'], { cwd, env });
    expect([link.exitCode, link.stderr]).toEqual([2, expect.stringContaining('leads out of')]);
    expect(readdirSync(env.TMPDIR)).toEqual([]);
  });

  test('one file of a web server, and an archive', async () => {
    const root = tempDir();
    writeTree(root, {
      'one.hcl': 'target "default" { dockerfile-inline = "FROM scratch\\nCOPY local /" }',
    });
    const files = tempDir();
    writeTree(files, FILES);
    await execa('tar', ['-C', files, '-cf', join(root, 'all.tar'), '.']);
    const server = await serveFiles(root);
    try {
      const one = machine();
      const cwd = tempDir();
      writeTree(cwd, { local: 'of here' });
      const { lines } = await bake(one, cwd, [`http://${server.host}/one.hcl`]);
      expect(readFileSync(join(lines[0]?.[1] ?? '', 'local'), 'utf8')).toBe('of here');
      const all = `http://${server.host}/all.tar`;
      const top = await bake(one, cwd, [all, 'top']);
      expect(readFileSync(join(top.lines[0]?.[1] ?? '', 'top'), 'utf8')).toBe('of the repository');
      const deep = await one.wiac(['bake', all, 'deep'], { cwd });
      expect(deep.stderr).toContain('a directory of an archive can be no context');
    } finally {
      server.stop();
    }
  });
});
