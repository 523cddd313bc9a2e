/**
 * Secrets on their way from a build to the worker that runs a step: sealed with HPKE (RFC 9180; DHKEM P-256,
 * HKDF-SHA256, AES-256-GCM) for a key that the worker makes for this one step, and signs with the key of its
 * fleet (ed25519). What is in Redis opens nothing, also later.
 */
import type { KeyObject } from 'node:crypto';
import { createHash, sign, verify } from 'node:crypto';
import type { DefinitionKey } from '../../keys/digest.js';
import type { KeyedStep } from '../../keys/inputs.js';
import { QueueError } from '../../util/errors.js';

/** A worker's question for the secrets of a step. */
export interface SecretRequest {
  /** Public key that they are to be sealed for, base64. */
  readonly key: string;
  /** By the fleet's key, over the step and that key; base64. */
  readonly signature: string;
}

/** Secrets by id; those that the build does not have are left out. */
export type Secrets = ReadonlyMap<string, Buffer>;

/** Ids of the secrets that a step mounts. */
export function secretIds(step: KeyedStep): readonly string[] {
  const mounts = step.kind === 'run' ? step.mounts : [];
  return mounts.flatMap((mount) => (mount.type === 'secret' ? [mount.id] : []));
}

function signedBytes(step: DefinitionKey, key: string): Buffer {
  return Buffer.from(`wiac secrets 1\n${step}\n${key}\n`);
}

/** @throws nothing: what can't be verified is not signed */
function isSigned({ key, signature }: SecretRequest, step: DefinitionKey, trusted: KeyObject) {
  return verify(null, signedBytes(step, key), trusted, Buffer.from(signature, 'base64'));
}

async function openSuite() {
  const { Aes256Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256 } = await import('@hpke/core');
  return new CipherSuite({
    kem: new DhkemP256HkdfSha256(),
    kdf: new HkdfSha256(),
    aead: new Aes256Gcm(),
  });
}

/** Plain memory, as WebCrypto takes it. */
function plain(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

/**
 * Seals secrets for who asks.
 * @param trusted the fleet's public key
 * @throws QueueError for a question that no worker of the fleet has asked
 */
export async function sealSecrets(
  request: SecretRequest,
  step: DefinitionKey,
  trusted: KeyObject,
  secrets: Secrets,
): Promise<string> {
  if (!isSigned(request, step, trusted))
    throw new QueueError('a worker without the key of --worker-key has asked for secrets');
  const suite = await openSuite();
  const recipientPublicKey = await suite.kem.deserializePublicKey(
    plain(Buffer.from(request.key, 'base64')),
  );
  const info = plain(signedBytes(step, request.key));
  const sender = await suite.createSenderContext({ recipientPublicKey, info });
  const values = [...secrets].map(([id, value]) => [id, value.toString('base64')]);
  const text = await sender.seal(plain(Buffer.from(JSON.stringify(values))));
  return [sender.enc, text].map((part) => Buffer.from(part).toString('base64')).join('.');
}

/** A question, and what opens its answer. */
export interface OpenRequest {
  readonly request: SecretRequest;
  /** @throws QueueError for what was not sealed for this question */
  readonly open: (sealed: string) => Promise<Secrets>;
}

/** Makes a key for one step. @param own the fleet's private key */
export async function askSecrets(step: DefinitionKey, own: KeyObject): Promise<OpenRequest> {
  const suite = await openSuite();
  const recipientKey = await suite.kem.generateKeyPair();
  const bytes = await suite.kem.serializePublicKey(recipientKey.publicKey);
  const key = Buffer.from(bytes).toString('base64');
  const signature = sign(null, signedBytes(step, key), own).toString('base64');
  return {
    request: { key, signature },
    async open(sealed) {
      const [enc = '', text = ''] = sealed.split('.');
      try {
        const recipient = await suite.createRecipientContext({
          recipientKey,
          enc: plain(Buffer.from(enc, 'base64')),
          info: plain(signedBytes(step, key)),
        });
        const opened = await recipient.open(plain(Buffer.from(text, 'base64')));
        const values = JSON.parse(Buffer.from(opened).toString()) as [string, string][];
        return new Map(values.map(([id, value]) => [id, Buffer.from(value, 'base64')]));
      } catch (cause) {
        throw new QueueError('the secrets of a step were not sealed for this worker', { cause });
      }
    },
  };
}

/** Where the answer to a question is put. The name is made from bytes that were checked, and is none of theirs. */
export function answerName(step: DefinitionKey, { key }: SecretRequest): string {
  return createHash('sha256').update(signedBytes(step, key)).digest('hex');
}
