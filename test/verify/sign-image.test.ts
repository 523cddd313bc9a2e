/** `signImage`: what is written is what cosign's specification says, and nothing of others is lost. */
import { verify } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { SignRequest } from '../../src/engine/signatures/sign-image.js';
import { signImage } from '../../src/engine/signatures/sign-image.js';
import { verifyImage } from '../../src/engine/signatures/verify-image.js';
import { parsePrivateKey, parsePublicKey } from '../../src/verify/signing-keys.js';
import {
  cosignKey,
  layerFor,
  newPair,
  type Pair,
  putImage,
  putSignatures,
  SIGNATURE_ARTIFACT,
  SIMPLE_SIGNING,
} from '../support/cosign.js';
import { digestOf, type MemoryRegistry, memoryRegistry } from '../support/memory-registry.js';

let registry: MemoryRegistry;
let modern: MemoryRegistry;
const pair = newPair();

beforeAll(async () => {
  registry = await memoryRegistry();
  modern = await memoryRegistry(10);
});
afterAll(() => Promise.all([registry.stop(), modern.stop()]));

const sign = (
  name: string,
  { privateKey: key }: Pair = pair,
  more: Partial<SignRequest> = {},
  place = registry,
) => signImage({ reference: `${place.host}/${name}`, key, ...more });

/** The layers below a tag, with the payload of each. */
function layersAt(name: string, place = registry) {
  const { bytes } = place.manifests.get(name) ?? { bytes: Buffer.from('{"layers":[]}') };
  const { layers } = JSON.parse(bytes.toString()) as {
    layers: {
      mediaType: string;
      digest: string;
      size: number;
      annotations: Record<string, string>;
    }[];
  };
  return layers.map((layer) => ({
    ...layer,
    payload: place.blobs.get(layer.digest) ?? Buffer.alloc(0),
    signature: Buffer.from(layer.annotations['dev.cosignproject.cosign/signature'] ?? '', 'base64'),
  }));
}

test.each([
  ['ECDSA P-256', pair],
  ['ed25519', newPair('ed25519')],
])('%s: payload, layer and manifest are those of the specification', async (kind, by) => {
  const name = `form/${by.privateKey.asymmetricKeyType}`;
  const { digest } = putImage(registry, name, '1');
  const annotations = { b: '2', a: 'é' };
  expect(await sign(`${name}:1`, by, { annotations })).toEqual([{ digest, wasSigned: false }]);
  const tag = `${name}:${digest.replace(':', '-')}.sig`;
  const [layer, ...more] = layersAt(tag);
  expect(more).toEqual([]);
  const text = `{"critical":{"identity":{"docker-reference":"${registry.host}/${name}"},"image":{"docker-manifest-digest":"${digest}"},"type":"cosign container image signature"},"optional":{"a":"é","b":"2"}}`;
  expect(layer?.payload.toString()).toBe(text);
  const { mediaType, digest: blob, size } = layer ?? {};
  expect({ mediaType, blob, size }).toEqual({
    mediaType: SIMPLE_SIGNING,
    blob: digestOf(text),
    size: Buffer.byteLength(text),
  });
  const hash = kind === 'ed25519' ? null : 'sha256';
  const isGood = verify(hash, Buffer.from(text), by.publicKey, layer?.signature ?? Buffer.alloc(0));
  expect(isGood).toBe(true);
  const manifest = JSON.parse(registry.manifests.get(tag)?.bytes.toString() ?? '');
  expect(manifest).toMatchObject({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json' },
  });
  expect(registry.blobs.has(manifest.config.digest)).toBe(true);
});

test('the same key and claims once, others beside them, and what cosign wrote stays', async () => {
  const { digest } = putImage(registry, 'append', '1');
  const theirs = layerFor(registry, 'what cosign wrote', 'AAAA');
  const certificate = { 'dev.sigstore.cosign/certificate': 'PEM', ...theirs.annotations };
  putSignatures(registry, 'append', digest, [{ ...theirs, annotations: certificate } as never]);
  const tag = `append:${digest.replace(':', '-')}.sig`;
  await sign('append:1');
  expect(await sign('append:1')).toEqual([{ digest, wasSigned: true }]);
  await sign('append:1', newPair());
  await sign('append:1', pair, { annotations: { more: 'x' } });
  const layers = layersAt(tag);
  expect(layers).toHaveLength(4);
  expect(layers[0]).toMatchObject({ digest: theirs.digest, annotations: certificate });
});

test('several at once: nobody is lost', async () => {
  const { digest } = putImage(registry, 'race', '1');
  const all = [pair, newPair(), newPair('ed25519')];
  await Promise.all(all.map((by) => sign('race:1', by)));
  expect(layersAt(`race:${digest.replace(':', '-')}.sig`)).toHaveLength(3);
  for (const { publicKey } of all)
    await verifyImage({ reference: `${registry.host}/race:1`, keys: [publicKey] });
});

test('one that had read the list before ours was there, and writes over it', async () => {
  const { digest } = putImage(registry, 'stale', '1');
  const stale = layerFor(registry, 'of another program', 'AAAA');
  let waits = true;
  registry.beforePut = async (reference) => {
    if (waits && reference.endsWith('.sig'))
      setTimeout(() => putSignatures(registry, 'stale', digest, [stale]), 20);
    waits = false;
  };
  await sign('stale:1');
  registry.beforePut = async () => {};
  expect(layersAt(`stale:${digest.replace(':', '-')}.sig`)).toHaveLength(2);
});

test('as what refers to the image: by the API, or by the tag that stands for it', async () => {
  for (const place of [modern, registry]) {
    const image = putImage(place, 'refer', '1');
    const again = () => sign('refer:1', pair, { form: 'referrer' }, place);
    await again();
    expect(await again()).toEqual([{ digest: image.digest, wasSigned: true }]);
    await sign('refer:1', newPair(), { form: 'referrer' }, place);
    const made = [...place.manifests].flatMap(([name, { bytes }]) => {
      const value = JSON.parse(bytes.toString());
      return name.startsWith('refer@') && value.subject ? [value] : [];
    });
    const { mediaType, digest, size } = image;
    const config = { mediaType: SIGNATURE_ARTIFACT };
    const form = { artifactType: SIGNATURE_ARTIFACT, config };
    expect(made).toHaveLength(2);
    for (const each of made)
      expect(each).toMatchObject({ ...form, subject: { mediaType, digest, size } });
    const tag = place.manifests.get(`refer:${digest.replace(':', '-')}`);
    expect(tag === undefined).toBe(place === modern);
    if (tag) expect(JSON.parse(tag.bytes.toString()).manifests).toHaveLength(2);
    expect(place.manifests.has(`refer:${digest.replace(':', '-')}.sig`)).toBe(false);
  }
});

test('an index alone, or with all that it names', async () => {
  const images = ['a', 'b'].map((tag) => putImage(registry, 'index', tag));
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const value = { schemaVersion: 2, mediaType, manifests: images };
  const { digest } = registry.manifest('index', 'both', value);
  const digests = images.map((image) => image.digest);
  expect((await sign('index:both')).map((each) => each.digest)).toEqual([digest]);
  const all = await sign('index:both', pair, { recursive: true });
  expect(all.map((each) => each.digest)).toEqual([digest, ...digests]);
  expect(all.map(({ wasSigned }) => wasSigned)).toEqual([true, false, false]);
});

test('keys: what is taken, and what the others are told', () => {
  const read = (pem: string, password?: string) => () =>
    parsePrivateKey(pem, 'KEY', () => password).export({ type: 'pkcs8', format: 'pem' });
  const sec1 = pair.privateKey.export({ type: 'sec1', format: 'pem' }).toString();
  const encrypted = pair.privateKey
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
    .toString();
  expect(read(pair.privatePem)()).toBe(pair.privatePem);
  expect(read(sec1)()).toBe(pair.privatePem);
  expect(read(encrypted, 'x')()).toBe(pair.privatePem);
  expect(read(cosignKey(pair, ''), '')()).toBe(pair.privatePem);
  expect(read(cosignKey(pair, 'pass', 'COSIGN'), 'pass')()).toBe(pair.privatePem);
  expect(read(cosignKey(pair, 'pass'), 'other')).toThrow('KEY: the password is wrong');
  expect(read(cosignKey(pair, 'pass'))).toThrow('$COSIGN_PASSWORD is not set');
  const huge = Buffer.from(
    '{"kdf":{"name":"scrypt","params":{"N":1e12,"r":8,"p":1}},"cipher":{"name":"nacl/secretbox"}}',
  );
  const pem = (body: string) =>
    `-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\n${body}\n-----END ENCRYPTED COSIGN PRIVATE KEY-----`;
  expect(read(pem(huge.toString('base64')), '')).toThrow('more memory');
  expect(read(pem('AAAA'), '')).toThrow('damaged');
  expect(read(pair.publicPem)).toThrow('KEY is a public key');
  expect(read('hello')).toThrow('KEY: ');
  expect(read(newPair('P-384').privatePem)).toThrow('on the curve secp384r1');
  expect(() => parsePublicKey(pair.privatePem, 'KEY')).toThrow('KEY is a private key');
  expect(parsePublicKey(pair.publicPem, 'KEY').asymmetricKeyType).toBe('ec');
});
