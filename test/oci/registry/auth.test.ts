/** Logins: what registries ask for, where credentials come from, and tokens. */
import { writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { parseRegistryReference } from '../../../src/oci/reference.js';
import { openAuthenticator } from '../../../src/oci/registry/auth.js';
import { parseChallenges } from '../../../src/oci/registry/challenge.js';
import { authFiles, findCredentials } from '../../../src/oci/registry/credentials.js';
import { registrySink, registrySource } from '../../../src/oci/registry/registry.js';
import type { Digest } from '../../../src/oci/resolved-image.js';
import {
  AMD64,
  layerDigests,
  makeImage,
  putImage,
  readLayers,
  type TestImage,
  temporaryDirectory,
} from '../helpers.js';
import { options, passOn, startRegistry, startServer, type TestRegistry } from './helpers.js';

const root = temporaryDirectory();

describe('WWW-Authenticate', () => {
  const read = (header: string) =>
    parseChallenges(header).map(({ scheme, parameters }) => [
      scheme,
      Object.fromEntries(parameters),
    ]);

  test.each<[string, unknown]>([
    ['Basic realm="x"', [['basic', { realm: 'x' }]]],
    [
      'Bearer realm="https://a.io/token?x=1,2",service="a.io",scope="repository:a:pull,push"',
      [
        [
          'bearer',
          {
            realm: 'https://a.io/token?x=1,2',
            service: 'a.io',
            scope: 'repository:a:pull,push',
          },
        ],
      ],
    ],
    [
      'Negotiate, BEARER Realm = "a\\"b" , service=plain, Basic realm=""',
      [
        ['negotiate', {}],
        ['bearer', { realm: 'a"b', service: 'plain' }],
        ['basic', { realm: '' }],
      ],
    ],
    ['', []],
    ['"""', []],
  ])('%s', (header, expected) => {
    expect(read(header)).toEqual(expected);
  });
});

describe('credentials', () => {
  const file = join(root, 'auths.json');
  const basic = (text: string) => ({ auth: Buffer.from(text).toString('base64') });
  const find = (content: unknown, host: string, repository = 'a/b') => {
    writeFileSync(file, JSON.stringify(content));
    return findCredentials(host, repository, { REGISTRY_AUTH_FILE: file, PATH: root });
  };
  const ann = { kind: 'basic', username: 'ann', password: 'x' };

  test('$REGISTRY_AUTH_FILE excludes the others', () => {
    expect(authFiles({ REGISTRY_AUTH_FILE: '/f', HOME: '/h' }, 0)).toEqual(['/f']);
    expect(authFiles({ HOME: '/h', XDG_RUNTIME_DIR: '/r' }, 5)).toEqual([
      '/r/containers/auth.json',
      '/h/.config/containers/auth.json',
      '/h/.docker/config.json',
    ]);
    expect(authFiles({ HOME: '/h', DOCKER_CONFIG: '/d', XDG_CONFIG_HOME: '/c' }, 5)).toEqual([
      '/run/containers/5/auth.json',
      '/c/containers/auth.json',
      '/d/config.json',
    ]);
  });

  test.each<[string, Record<string, object>, string]>([
    ['host', { 'r.io': basic('ann:x') }, 'r.io'],
    ['URL', { 'https://r.io/v1/': basic('ann:x') }, 'r.io'],
    ['namespace before host', { 'r.io': basic('bob:y'), 'r.io/a': basic('ann:x') }, 'r.io'],
    ['other namespace', { 'r.io': basic('ann:x'), 'r.io/other': basic('bob:y') }, 'r.io'],
    ['Docker Hub', { 'https://index.docker.io/v1/': basic('ann:x') }, 'docker.io'],
    ['plain', { 'r.io': { username: 'ann', password: 'x' } }, 'r.io'],
  ])('by %s', async (_title, auths, host) => {
    expect(await find({ auths }, host)).toEqual(ann);
  });

  test('none for others', async () => {
    const auths = { 'r.io': basic('ann:x'), 'r.io:5000': {} };
    expect(await find({ auths }, 'r.io.evil.example')).toBeUndefined();
    expect(await find({ auths }, 'r.io:5000')).toBeUndefined();
    expect(await find({}, 'r.io')).toBeUndefined();
    expect(
      await findCredentials('r.io', 'a', { HOME: '/nonexistent', XDG_RUNTIME_DIR: '/nonexistent' }),
    ).toBeUndefined();
  });

  test('identity tokens', async () => {
    const auths = { 'r.io': { ...basic('ann:'), identitytoken: 'secret' } };
    const token = { kind: 'identity-token', token: 'secret' };
    expect(await find({ auths }, 'r.io')).toEqual(token);
    const script = `#!/bin/sh\nread -r s || [ -n "$s" ]\nprintf '{"Username":"<token>","Secret":"%s"}' "$s"\n`;
    writeFileSync(join(root, 'docker-credential-tok'), script, { mode: 0o755 });
    const asked = { kind: 'identity-token', token: 'https://index.docker.io/v1/' };
    expect(await find({ credsStore: 'tok' }, 'docker.io')).toEqual(asked);
  });

  test('helpers: unknown registry, failure, nonsense, missing', async () => {
    const helper = (name: string, body: string) =>
      writeFileSync(join(root, `docker-credential-${name}`), `#!/bin/sh\n${body}\n`, {
        mode: 0o755,
      });
    helper('none', 'echo "credentials not found in native keychain"; exit 1');
    helper('fails', 'echo "locked" >&2; exit 1');
    helper('odd', 'echo hello');
    expect(await find({ credsStore: 'none' }, 'r.io')).toBeUndefined();
    const both = { credHelpers: { 'r.io': 'none' }, auths: { 'r.io': basic('ann:x') } };
    expect(await find(both, 'r.io')).toEqual(ann);
    await expect(find({ credsStore: 'fails' }, 'r.io')).rejects.toThrow('locked');
    await expect(find({ credsStore: 'odd' }, 'r.io')).rejects.toThrow('not JSON');
    await expect(find({ credsStore: 'gone' }, 'r.io')).rejects.toThrow(/docker-credential-gone/);
    await expect(find({ credsStore: '../x' }, 'r.io')).rejects.toThrow('not the name');
  });

  test('a broken file is an error that shows no secret', async () => {
    writeFileSync(file, '{"auths":{"r.io":{"auth":"c2VjcmV0"');
    const broken = findCredentials('r.io', 'a', { REGISTRY_AUTH_FILE: file });
    await expect(broken).rejects.toThrow(`cannot read credentials from ${file}: it is not JSON`);
    await expect(find({ auths: { 'r.io': { auth: 'c2VjcmV0' } } }, 'r.io')).rejects.toThrow(
      'not base64 of user:password',
    );
  });
});

describe('bearer tokens', () => {
  let registry: TestRegistry;
  let front: TestRegistry;
  let tokens: TestRegistry;
  let image: TestImage;
  const seen: { url: URL; authorization: string | undefined; body: string }[] = [];
  const state = { lifetime: 300, issued: 0, uses: Number.POSITIVE_INFINITY, status: 200 };
  let valid = new Map<string, number>();
  const opened: { close(): Promise<void> }[] = [];

  async function token(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const url = new URL(request.url ?? '', 'http://token');
    seen.push({ url, authorization: request.headers.authorization, body });
    if (state.status !== 200) {
      response.writeHead(state.status).end('{"errors":[{"code":"UNAUTHORIZED"}]}');
      return;
    }
    state.issued += 1;
    const value = `token-${state.issued}`;
    valid.set(value, state.uses);
    response.end(JSON.stringify({ token: value, expires_in: state.lifetime }));
  }

  beforeAll(async () => {
    registry = await startRegistry();
    tokens = await startServer((request, response) => void token(request, response));
    front = await startServer((request, response) => {
      const value = (request.headers.authorization ?? '').replace('Bearer ', '');
      const left = valid.get(value) ?? 0;
      if (left > 0) {
        valid.set(value, left - 1);
        delete request.headers.authorization;
        passOn(registry.host, request, response);
        return;
      }
      request.resume();
      const challenge = `Bearer realm="http://${tokens.host}/token",service="test",scope="x"`;
      response.writeHead(401, { 'www-authenticate': challenge }).end();
    });
    image = await makeImage({ size: 200_000 });
  });
  afterEach(async () => {
    for (const item of opened.splice(0)) await item.close();
    seen.length = 0;
    valid = new Map();
    Object.assign(state, { lifetime: 300, uses: Number.POSITIVE_INFINITY, status: 200 });
  });
  afterAll(async () => {
    for (const server of [front, tokens, registry]) await server.stop();
  });

  async function push(env: NodeJS.ProcessEnv = {}): Promise<void> {
    const sink = registrySink(parseRegistryReference(`${front.host}/team/app:1`), options(env));
    opened.push(sink);
    await putImage(sink, image);
  }
  async function pull(env: NodeJS.ProcessEnv = {}, now?: () => number): Promise<Digest[]> {
    const reference = parseRegistryReference(`${front.host}/team/app:1`);
    const more = now === undefined ? {} : { now };
    const source = registrySource(reference, options(env, more));
    opened.push(source);
    const found = await source.resolve(AMD64);
    const layers: Digest[] = [];
    for (const layer of found.layers)
      layers.push(...(await readLayers({ ...found, layers: [layer] })));
    return layers;
  }
  const layers = () => layerDigests(image);

  test('one token for a push, one for a pull, with their scopes', async () => {
    await push();
    expect(await pull()).toEqual(layers());
    const queries = seen.map(({ url }) => url.searchParams.getAll('scope'));
    expect(queries.at(-1)).toEqual(['repository:team/app:pull']);
    expect(new Set(queries.map(String))).toEqual(
      new Set(['repository:team/app:pull,push', 'repository:team/app:pull']),
    );
    expect(seen.every(({ url }) => url.searchParams.get('service') === 'test')).toBe(true);
    expect(seen.every(({ authorization }) => authorization === undefined)).toBe(true);
  });

  test('credentials go to the token server only', async () => {
    const file = join(root, 'token-auth.json');
    const auth = Buffer.from('ann:x').toString('base64');
    writeFileSync(file, JSON.stringify({ auths: { [front.host]: { auth } } }));
    await push({ REGISTRY_AUTH_FILE: file });
    expect(seen[0]?.authorization).toBe(`Basic ${auth}`);
    expect(seen[0]?.url.searchParams.get('account')).toBe('ann');
  });

  test('an identity token is exchanged', async () => {
    const file = join(root, 'identity.json');
    const content = { auths: { [front.host]: { identitytoken: 'refresh me' } } };
    writeFileSync(file, JSON.stringify(content));
    await push({ REGISTRY_AUTH_FILE: file });
    const form = new URLSearchParams(seen[0]?.body);
    expect(Object.fromEntries(form)).toEqual({
      grant_type: 'refresh_token',
      refresh_token: 'refresh me',
      client_id: 'wiac',
      service: 'test',
      scope: 'repository:team/app:pull,push',
    });
  });

  test('a token that runs out on the way is renewed', async () => {
    await push();
    seen.length = 0;
    state.uses = 2;
    expect(await pull()).toEqual(layers());
    expect(seen).toHaveLength(2);
    seen.length = 0;
    state.uses = 1;
    await push();
    expect(seen.length).toBeGreaterThan(1);
  });

  test('a token is not used after its time', async () => {
    await push();
    seen.length = 0;
    state.lifetime = 100;
    let time = 0;
    // Each look at the clock finds it a minute later.
    const now = () => {
      time += 60_000;
      return time;
    };
    expect(await pull({}, now)).toEqual(layers());
    expect(seen.length).toBeGreaterThan(1);
  });

  test('tokens that are never accepted are an error, not a loop', async () => {
    state.uses = 0;
    await expect(pull()).rejects.toMatchObject({
      status: 401,
      hint: `log in with \`wiac login ${front.host}\``,
    });
    expect(seen.length).toBeLessThanOrEqual(5);
  });

  test('a token server that refuses', async () => {
    state.status = 401;
    await expect(pull()).rejects.toMatchObject({
      status: 401,
      message: expect.stringMatching(/^get a token from .*answered 401: UNAUTHORIZED$/),
    });
  });

  test('secrets do not go over http', async () => {
    const context = {
      registry: 'r.io',
      credentials: async () => undefined,
      mayUseHttp: false,
      send: async () => ({ token: 'x' }),
      now: () => 0,
    };
    const ask = (realm: string) => {
      const auth = openAuthenticator(context);
      auth.challenged(`Bearer realm="${realm}"`, undefined);
      return auth.header(['s']);
    };
    await expect(ask('http://token.example/')).rejects.toThrow('over http to token.example');
    await expect(ask('file:///etc/passwd')).rejects.toThrow('names no token server');
    await expect(ask('nonsense')).rejects.toThrow('names no token server');
    expect(await ask('https://token.example/')).toBe('Bearer x');
    expect(() => openAuthenticator(context).challenged('Negotiate', undefined)).toThrow(
      'does not know: Negotiate',
    );
    expect(() => openAuthenticator(context).challenged(undefined, undefined)).toThrow(
      'answered 401, and does not say how it wants to be asked',
    );
  });
});
