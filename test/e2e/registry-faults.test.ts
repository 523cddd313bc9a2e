/**
 * `wiac pull` and `push` with registries that do something wrong: they end right, or say what was
 * wrong and leave nothing half-made in the store. The client alone: test/oci/registry/faults.test.ts.
 */
import { readdirSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  type Fault,
  type FaultyRegistry,
  passOn,
  startFaulty,
  startRegistry,
  type TestRegistry,
} from '../oci/registry/helpers.js';
import { warmMachines } from '../support/warm-command.js';
import type { Machine, Result } from '../support/wiac.js';
import { context, dockerfile } from '../support/wiac.js';

const machine = warmMachines();

let registry: TestRegistry;
let front: FaultyRegistry;
beforeAll(async () => {
  registry = await startRegistry();
  const { build, wiac } = machine();
  await build(
    context({ Dockerfile: dockerfile('RUN echo x > /x', 'CMD ["/bin/cat", "/x"]') }),
    '-t',
    'a',
  );
  expect(await wiac(['push', 'a', `${registry.host}/app:1`])).toMatchObject({ exitCode: 0 });
});
afterAll(() => registry.stop());
beforeEach(async () => {
  front = await startFaulty(registry.host);
});
afterEach(() => front.stop());

/** Does what the fault does for the first few requests that it is about. */
function times(count: number, isMeant: (request: IncomingMessage) => boolean, fault: Fault): Fault {
  let left = count;
  return (request, response) => {
    if (!isMeant(request) || left === 0) return false;
    left -= 1;
    return fault(request, response);
  };
}

const is = (method: string, path: RegExp) => (request: IncomingMessage) =>
  request.method === method && path.test(request.url ?? '');
const readsBlob = is('GET', /\/blobs\/sha256:/);
const readsManifest = is('GET', /\/manifests\//);

function answer(status: number, headers: Record<string, string> = {}): Fault {
  return (_request, response) => {
    response.writeHead(status, headers).end();
    return true;
  };
}

/** Sends the first bytes of a long answer, then breaks the connection. */
function breakAfter(bytes: number): Fault {
  return (request: IncomingMessage, response: ServerResponse) => {
    let left = bytes;
    passOn(registry.host, request, response, (chunk) => {
      const part = chunk.subarray(0, left);
      left -= part.length;
      if (left === 0) setImmediate(() => request.socket.destroy());
      return part;
    });
    return true;
  };
}

/** Changes the last byte of a long answer. */
const spoil: Fault = (request, response) => {
  passOn(registry.host, request, response, (chunk) => {
    const changed = Buffer.from(chunk);
    const last = changed.length - 1;
    if (last > 1000) changed[last] = (changed[last] ?? 0) ^ 1;
    return changed;
  });
  return true;
};

const reference = () => `${front.host}/app:1`;

/** The image is whole and runs. */
async function expectPulled(made: Machine, result: Result): Promise<void> {
  expect(result).toMatchObject({ exitCode: 0, stderr: '' });
  expect((await made.wiac(['run', '--pull=never', reference()])).stdout).toBe('x\n');
  expect(await made.wiac(['cache', 'verify', '--deep'])).toMatchObject({ exitCode: 0 });
}

/** No image, nothing in work, no layer or blob that the index does not know. */
async function expectNothingHalfMade({ root, wiac }: Machine): Promise<void> {
  expect((await wiac(['images', '-aq'])).stdout).toBe('');
  expect(readdirSync(join(root, 'tmp'))).toEqual([]);
  const { exitCode, stdout } = await wiac(['cache', 'verify', '--deep', '--format=json']);
  expect({ exitCode, findings: JSON.parse(stdout).findings }).toEqual({
    exitCode: 0,
    findings: [],
  });
}

describe('pull', () => {
  test('a connection that breaks within a blob', async () => {
    front.fault = times(2, readsBlob, breakAfter(200_000));
    const made = machine();
    await expectPulled(made, await made.wiac(['pull', reference()]));
    expect(front.log.some((line) => line.includes(' bytes='))).toBe(true);
  });

  test('one that never gets to the end of a blob, then a registry that works', async () => {
    front.fault = (request, response) => {
      const isLarge = readsBlob(request) && request.headers.range === undefined;
      if (isLarge) return breakAfter(200_000)(request, response);
      if (readsBlob(request)) request.socket.destroy();
      return readsBlob(request);
    };
    const made = machine();
    const { exitCode, stdout, stderr } = await made.wiac(['pull', reference()]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 11, stdout: '' });
    expect(stderr).toMatch(/sha256:[0-9a-f]{64}: no connection to registry/);
    expect(stderr).toContain('hint: check the network');
    await expectNothingHalfMade(made);
    front.fault = () => false;
    await expectPulled(made, await made.wiac(['pull', reference()]));
  });

  test('a blob that is not that of its digest', async () => {
    front.fault = (request, response) => readsBlob(request) && spoil(request, response);
    const made = machine();
    const { exitCode, stdout, stderr } = await made.wiac(['pull', reference()]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 11, stdout: '' });
    expect(stderr).toMatch(/sha256:[0-9a-f]{64}/);
    expect(stderr).toContain('hint: ');
    await expectNothingHalfMade(made);
  });

  test.each([
    ['429 with Retry-After', answer(429, { 'retry-after': '0' })],
    ['503', answer(503)],
  ])('%s, then OK', async (_name, fault) => {
    const faults = [times(2, readsManifest, fault), times(2, readsBlob, fault)];
    front.fault = (request, response) => faults.some((one) => one(request, response));
    const made = machine();
    await expectPulled(made, await made.wiac(['pull', reference()]));
  });

  test('429 and nothing else', async () => {
    front.fault = answer(429, { 'retry-after': '0' });
    const made = machine();
    const { exitCode, stderr } = await made.wiac(['pull', reference()]);
    expect(exitCode).toBe(11);
    expect(stderr).toContain('answered 429');
    expect(stderr).toContain('WIAC_REGISTRY_MIRRORS');
    await expectNothingHalfMade(made);
  });
});

describe('push', () => {
  async function built(): Promise<Machine> {
    const made = machine();
    await made.build(context({ Dockerfile: dockerfile('RUN echo new > /x') }), '-t', 'b');
    return made;
  }

  const writes = (request: IncomingMessage) => /PATCH|PUT/.test(request.method ?? '');

  test.each([
    ['429 with Retry-After', writes, answer(429, { 'retry-after': '0' })],
    ['503', is('PUT', /\/manifests\//), answer(503)],
    [
      'a connection that breaks',
      is('PATCH', /./),
      (request: IncomingMessage) => {
        request.once('data', () => request.destroy());
        return true;
      },
    ],
  ] satisfies [string, (request: IncomingMessage) => boolean, Fault][])(
    '%s, then OK: what arrives is whole',
    async (name, isMeant, fault) => {
      const made = await built();
      front.fault = times(2, isMeant, fault);
      const target = `pushed-${name.split(' ')[0]?.toLowerCase()}:1`;
      expect(await made.wiac(['push', 'b', `${front.host}/${target}`])).toMatchObject({
        exitCode: 0,
        stderr: '',
      });
      const other = machine();
      const ran = await other.wiac(['run', `${registry.host}/${target}`, '/bin/cat', '/x']);
      expect(ran.stdout).toBe('new\n');
    },
  );

  test('a registry that refuses: the tag is not there, the image still is', async () => {
    const made = await built();
    front.fault = (request, response) =>
      is('PUT', /\/manifests\//)(request) && answer(400)(request, response);
    const { exitCode, stdout, stderr } = await made.wiac(['push', 'b', `${front.host}/refused:1`]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 11, stdout: '' });
    expect(stderr).toContain('answered 400');
    expect(await machine().wiac(['pull', `${registry.host}/refused:1`])).toMatchObject({
      exitCode: 11,
      stderr: expect.stringContaining('404'),
    });
    expect(readdirSync(join(made.root, 'tmp'))).toEqual([]);
    expect((await made.wiac(['run', 'b', '/bin/cat', '/x'])).stdout).toBe('new\n');
  });
});

test('a token that expires on the way is asked for again', async () => {
  const issued: string[] = [];
  let uses = 0;
  // Requests that each token is good for, whatever was promised.
  let good = 3;
  front.fault = (request, response) => {
    const { url = '', headers } = request;
    if (url.startsWith('/token')) {
      issued.push(`token-${issued.length}`);
      uses = 0;
      response.end(JSON.stringify({ token: issued.at(-1), expires_in: 300 }));
      return true;
    }
    if (headers.authorization === `Bearer ${issued.at(-1)}` && uses < good) {
      uses += 1;
      return false;
    }
    const challenge = `Bearer realm="http://${headers.host}/token",service="s"`;
    response.writeHead(401, { 'www-authenticate': challenge }).end();
    return true;
  };
  const made = machine();
  await expectPulled(made, await made.wiac(['pull', reference()]));
  expect(issued.length).toBeGreaterThan(1);
  await made.wiac(['tag', reference(), 'mine']);
  // A push has several requests at a time, which must not use up each other's tokens.
  good = 6;
  const former = issued.length;
  const pushed = await made.wiac(['push', 'mine', `${front.host}/token:1`]);
  expect(pushed).toMatchObject({ exitCode: 0, stderr: '' });
  expect(issued.length).toBeGreaterThan(former + 1);
});
