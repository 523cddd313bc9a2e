/** `verifyImage` against signatures made by hand, good ones and those of attackers. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { VerifyRequest } from '../../src/engine/signatures/verify-image.js';
import { verifyImage } from '../../src/engine/signatures/verify-image.js';
import {
  type Layer,
  layerFor,
  newPair,
  type Pair,
  payloadText,
  putImage,
  putReferring,
  putSignatures,
  signText,
} from '../support/cosign.js';
import {
  type Descriptor,
  type MemoryRegistry,
  memoryRegistry,
} from '../support/memory-registry.js';

let registry: MemoryRegistry;
/** The same with the referrers API, one entry a page. */
let modern: MemoryRegistry;
const pair = newPair();
const other = newPair();
const ed25519 = newPair('ed25519');
let count = 0;

beforeAll(async () => {
  registry = await memoryRegistry();
  modern = await memoryRegistry(1);
});
afterAll(() => Promise.all([registry.stop(), modern.stop()]));

/** An image of its own for each case. */
function newImage(place = registry): { name: string; image: Descriptor } {
  count += 1;
  const name = `case/number${count}`;
  return { name, image: putImage(place, name, `t${count}`) };
}

interface Outcome {
  readonly claims?: number;
  readonly names?: readonly string[];
  readonly problems?: readonly string[];
  readonly error?: string;
  readonly exitCode?: number;
}

async function verify(
  name: string,
  { digest }: Descriptor,
  by: Pair = pair,
  more: Partial<VerifyRequest> = {},
  place = registry,
): Promise<Outcome> {
  const reference = `${place.host}/${name}@${digest}`;
  try {
    const { claims, problems } = await verifyImage({ reference, keys: [by.publicKey], ...more });
    return {
      claims: claims.length,
      names: claims.map(({ dockerReference }) => dockerReference),
      problems,
    };
  } catch (error) {
    const { message, exitCode } = error as { message: string; exitCode: number };
    return { error: message, exitCode };
  }
}

/** Signatures of one image, as layers. */
async function outcomeOf(
  make: (image: Descriptor, name: string) => readonly Layer[],
  by: Pair = pair,
  more: Partial<VerifyRequest> = {},
): Promise<Outcome> {
  const { name, image } = newImage();
  putSignatures(registry, name, image.digest, make(image, name));
  return verify(name, image, by, more);
}

const signed = (digest: string, by: Pair = pair, reference?: string, optional?: string) => {
  const text = payloadText(digest, reference, optional);
  return layerFor(registry, text, signText(text, by));
};
const none = (problem: string) => ({
  exitCode: 15,
  error: expect.stringContaining(`no valid signature: ${problem}`),
});

describe('what counts', () => {
  test.each([
    ['ECDSA P-256', pair],
    ['ed25519', ed25519],
  ])('a signature with %s below the tag', async (_, by) => {
    expect(await outcomeOf(({ digest }) => [signed(digest, by)], by)).toEqual({
      claims: 1,
      names: ['testing/manifest'],
      problems: [],
    });
  });

  test('one that refers to the image, whether the registry lists it or a tag does', async () => {
    const { name, image } = newImage(modern);
    const text = payloadText(image.digest);
    const foreign = { ...signed(image.digest), mediaType: 'text/plain' };
    // The first page has none.
    putReferring(modern, name, image, [foreign]);
    const sbom = putReferring(modern, name, image, [foreign], 'application/spdx+json');
    putReferring(modern, name, image, [layerFor(modern, text, signText(text, pair))]);
    modern.asked.length = 0;
    expect(await verify(name, image, pair, {}, modern)).toMatchObject({ claims: 1 });
    expect(modern.asked.filter((line) => line.includes(sbom.digest))).toEqual([]);
    const there = newImage();
    const layers = [signed(there.image.digest)];
    const manifest = putReferring(registry, there.name, there.image, layers);
    const artifactType = 'application/vnd.dev.cosign.artifact.sig.v1+json';
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    registry.manifest(there.name, there.image.digest.replace(':', '-'), {
      ...{ schemaVersion: 2, mediaType },
      manifests: [
        { ...manifest, artifactType },
        { ...there.image, artifactType: 'else' },
      ],
    });
    expect(await verify(there.name, there.image)).toMatchObject({ claims: 1 });
  });

  test('ECDSA signatures with a large s, which OpenSSL makes as often as not', async () => {
    const results = await outcomeOf(({ digest }) =>
      Array.from({ length: 16 }, () => signed(digest)),
    );
    expect(results).toMatchObject({ claims: 16, problems: [] });
  });

  test('all that are good, beside others', async () => {
    const outcome = await outcomeOf(({ digest }) => [signed(digest, other), signed(digest)]);
    expect(outcome).toMatchObject({
      claims: 1,
      problems: [expect.stringContaining('another key')],
    });
  });

  test('the annotations that are demanded, as strings', async () => {
    const optional = '{"env": "prod", "n": 1, "constructor": "x"}';
    const make = ({ digest }: Descriptor) => [signed(digest, pair, 'a/b', optional)];
    const ask = (annotations: Record<string, string>) => outcomeOf(make, pair, { annotations });
    expect(await ask({ env: 'prod', constructor: 'x' })).toMatchObject({ claims: 1 });
    expect(await ask({ env: 'test' })).toEqual(none('its annotation env is "prod"'));
    expect(await ask({ n: '1' })).toEqual(none('its annotation n is 1'));
    expect(await ask({ toString: 'x' })).toEqual(none('its annotation toString is missing'));
  });

  test('another name of the image, unless it is demanded', async () => {
    const make = ({ digest }: Descriptor, name: string) => [
      signed(digest, pair, 'elsewhere.example/app'),
      signed(digest, pair, `${registry.host}/${name}`),
    ];
    expect(await outcomeOf(make)).toMatchObject({ claims: 2 });
    expect(await outcomeOf(make, pair, { matchRepository: true })).toMatchObject({
      claims: 1,
      problems: [expect.stringContaining('it is of the name elsewhere.example/app')],
    });
  });
});

describe('what does not count', () => {
  const DAMAGED = 'it is damaged, or another key made it';

  test('an image that nobody signed', async () => {
    const { name, image } = newImage();
    expect(await verify(name, image)).toEqual({
      error: `${registry.host}/${name}@${image.digest} is not signed`,
      exitCode: 15,
    });
  });

  test.each<[string, string, (image: Descriptor) => Layer]>([
    ['another key', DAMAGED, ({ digest }) => signed(digest, other)],
    ['another kind of key', DAMAGED, ({ digest }) => signed(digest, ed25519)],
    ['another image', 'it is of another image', () => signed(`sha256:${'0'.repeat(64)}`)],
    [
      'the digest in other letters',
      'it is of another image',
      ({ digest }) => signed(digest.toUpperCase().replace('SHA', 'sha')),
    ],
    [
      'a signature that was cut',
      DAMAGED,
      ({ digest }) => {
        const text = payloadText(digest);
        return layerFor(registry, text, signText(text, pair).slice(0, -8));
      },
    ],
    [
      'base64 that only some readers take',
      DAMAGED,
      ({ digest }) => {
        const text = payloadText(digest);
        return layerFor(registry, text, signText(text, pair).replace(/(.{10})/, '$1\n'));
      },
    ],
    ['no signature at all', DAMAGED, ({ digest }) => layerFor(registry, payloadText(digest), '')],
    [
      'r and s without DER',
      DAMAGED,
      ({ digest }) =>
        layerFor(registry, payloadText(digest), Buffer.alloc(64, 7).toString('base64')),
    ],
    [
      'DER with zeros in front',
      DAMAGED,
      ({ digest }) => {
        const text = payloadText(digest);
        const [tag = 0, size = 0, , r = 0, ...rest] = Buffer.from(signText(text, pair), 'base64');
        const der = Buffer.from([tag, size + 1, 2, r + 1, 0, ...rest]);
        return layerFor(registry, text, der.toString('base64'));
      },
    ],
    [
      'the digest itself, signed',
      'its payload is not JSON',
      ({ digest }) => layerFor(registry, digest, signText(digest, pair)),
    ],
    [
      'a payload for other programs',
      'its payload is not of the type',
      ({ digest }) => {
        const text = payloadText(digest).replace('cosign container image', 'atomic container');
        return layerFor(registry, text, signText(text, pair));
      },
    ],
    [
      'two digests, of which readers take different ones',
      'its payload has two members of one name',
      ({ digest }) => {
        const twin = `"docker-manifest-digest": "sha256:${'1'.repeat(64)}", "docker\\u002dmanifest-digest"`;
        const text = payloadText(digest).replace('"docker-manifest-digest"', twin);
        return layerFor(registry, text, signText(text, pair));
      },
    ],
    [
      'a payload that is a list',
      'its payload is not of the type',
      () => layerFor(registry, '[1]', signText('[1]', pair)),
    ],
  ])('%s', async (_, problem, make) => {
    expect(await outcomeOf((image) => [make(image)])).toEqual(none(problem));
  });

  test('a payload that is not what its descriptor says, is missing, or is too large', async () => {
    const outcome = await outcomeOf(({ digest }) => {
      const changed = signed(digest);
      const good = registry.blobs.get(changed.digest) ?? Buffer.alloc(0);
      registry.blobs.set(changed.digest, Buffer.from(good.map((byte) => byte ^ 1)));
      const missing = signed(digest, pair, 'missing');
      registry.blobs.delete(missing.digest);
      return [changed, missing, { ...signed(digest, pair, 'large'), size: 100 << 20 }];
    });
    expect(outcome).toEqual(none(''));
    expect(outcome.error).toMatch(/is damaged.*answered 404.*payload is larger than 1048576/s);
  });

  test('100 MB below the digest of a small payload are not read to their end', async () => {
    const outcome = await outcomeOf(({ digest }) => {
      const layer = signed(digest, pair, 'grows');
      registry.blobs.set(layer.digest, Buffer.alloc(100 << 20));
      return [layer];
    });
    expect(outcome).toEqual(none(''));
    expect(outcome.error).toContain('is damaged');
  });

  test('10,000 signatures: no more than 1,000 are looked at', async () => {
    registry.asked.length = 0;
    const outcome = await outcomeOf(({ digest }) => {
      const junk = layerFor(registry, payloadText(digest), 'AAAA');
      return [...Array.from({ length: 10_000 }, () => junk), signed(digest)];
    });
    expect(outcome).toEqual(none(`${DAMAGED} (1000 times); there are more than 1000`));
    // Equal payloads are asked for once.
    expect(registry.asked.length).toBeLessThan(10);
  });

  test('what is no manifest with signatures is no reason to stop', async () => {
    const { name, image } = newImage();
    registry.manifest(name, `${image.digest.replace(':', '-')}.sig`, {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [image],
    });
    expect(await verify(name, image)).toEqual(none(''));
    registry.manifests.set(`${name}:${image.digest.replace(':', '-')}.sig`, {
      type: 'application/vnd.oci.image.manifest.v1+json',
      bytes: Buffer.from('{"schemaVersion": 2, "layers": [1]}'),
    });
    expect(await verify(name, image)).toEqual(none(''));
  });

  test('a registry whose list of what refers to an image fails', async () => {
    const { name, image } = newImage(modern);
    const text = payloadText(image.digest);
    modern.isBroken = true;
    expect(await verify(name, image, pair, {}, modern)).toMatchObject({ exitCode: 11 });
    putSignatures(modern, name, image.digest, [layerFor(modern, text, signText(text, pair))]);
    const found = await verify(name, image, pair, {}, modern);
    modern.isBroken = false;
    expect(found).toMatchObject({ claims: 1, problems: [expect.stringContaining('403')] });
  });

  test('a registry that does not answer is another error', async () => {
    const { name, image } = newImage();
    const reference = `127.0.0.1:1/${name}@${image.digest}`;
    const registryOptions = { retry: { attempts: 1, firstDelay: 1, wait: async () => {} } };
    await expect(
      verifyImage({ reference, keys: [pair.publicKey], registry: registryOptions as never }),
    ).rejects.toMatchObject({ exitCode: 11 });
  });
});
