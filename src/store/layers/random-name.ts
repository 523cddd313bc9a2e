/** Names that were not used before. */
import { randomBytes } from 'node:crypto';

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** 16 base32 digits from 16 bytes or more, such as random ones. */
export function base32(bytes: Uint8Array): string {
  return Array.from(bytes.subarray(0, 16), (byte) => BASE32[byte & 31]).join('');
}

/** 16 random base32 digits. */
export function randomName(): string {
  return base32(randomBytes(16));
}
