/** `wiac-sys run`: one program with the streams of its parent. */
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Operation } from '../../src/executor/local/operations.js';
import { CLONE, MS } from '../../src/executor/local/operations.js';
import { endOf, run, talk, version } from '../support/native-talk.js';

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'wiac-protocol-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('wiac-sys run', () => {
  const operations = (always: boolean, script: string): Operation[] => {
    const pts = join(directory, 'pts');
    mkdirSync(pts, { recursive: true });
    return [
      { op: 'unshare', flags: CLONE.NEWNS },
      { op: 'mount', source: 'none', target: '/', type: '', flags: MS.REC | MS.PRIVATE, data: '' },
      {
        op: 'mount',
        source: 'devpts',
        target: pts,
        type: 'devpts',
        flags: MS.NOSUID | MS.NOEXEC,
        data: 'newinstance,ptmxmode=0666,mode=0620',
      },
      { op: 'relay-streams', ptmx: join(pts, 'ptmx'), pts, uid: 0, always },
      { op: 'clone', flags: CLONE.NEWPID },
      { op: 'fork' },
      { op: 'session' },
      { op: 'exec', argv: ['/bin/sh', '-c', script] },
    ];
  };

  test('a program has our streams: a file through a pipe, pipes as they are', async () => {
    const path = join(directory, 'file');
    const made = talk({ argv: ['run', String(process.pid)], stdout: openSync(path, 'w') });
    const script = 'test -p /proc/self/fd/1 && seq 100000; echo err >&2; exit 5';
    made.send(run(1, ...operations(false, script)));
    expect(await endOf(made, 1)).toEqual({ code: 5, status: '' });
    expect(await made.ended).toEqual({ code: 0, said: 'err\n' });
    expect(readFileSync(path, 'utf8')).toHaveLength(588_895);
  });

  test('a terminal where there is none', async () => {
    const path = join(directory, 'terminal');
    const made = talk({ argv: ['run', String(process.pid)], stdout: openSync(path, 'w') });
    made.send(run(1, ...operations(true, 'tty; seq 20000; echo err >&2; kill -9 $$')));
    expect(await endOf(made, 1)).toEqual({ code: 137, status: '' });
    expect(await made.ended).toEqual({ code: 0, said: '' });
    const lines = readFileSync(path, 'utf8').split('\r\n');
    expect([lines[0], lines.length, lines.at(-2)]).toEqual([
      join(directory, 'pts/0'),
      20_003,
      'err',
    ]);
  });

  test('a file that takes no more', async () => {
    const made = talk({
      argv: ['run', String(process.pid)],
      stdout: openSync('/dev/full', 'w'),
    });
    made.send(run(1, ...operations(false, 'echo lost')));
    expect(await endOf(made, 1)).toEqual({
      code: 125,
      status: 'output: No space left on device',
    });
  });

  test('what fails on the way is told', async () => {
    const made = talk({ argv: ['run', String(process.pid)] });
    made.send(run(1, { op: 'chdir', path: '/nowhere' }));
    const status = 'setup: chdir /nowhere: No such file or directory';
    expect(await endOf(made, 1)).toEqual({ code: 125, status });
    const other = talk({ argv: ['run', String(process.pid)] });
    other.send(run(1, { op: 'chdir', path: '/' }));
    expect((await endOf(other, 1)).status).toBe('setup: the list has no clone');
  });

  test('for another parent than its own, or another request, it does nothing', async () => {
    const orphan = talk({ argv: ['run', '1'] });
    expect((await orphan.ended).code).toBe(1);
    const made = talk({ argv: ['run', String(process.pid)] });
    made.send(version(1));
    expect(await made.ended).toEqual({ code: 1, said: '' });
  });
});
