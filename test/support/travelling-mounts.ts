/** Cache mounts that go from one machine to another. */
import { randomBytes } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import type { S3Server } from './s3.js';
import type { BuildEvent, Machine } from './wiac.js';
import { context, dockerfile } from './wiac.js';

/** A step that mounts a cache and does something in it; another `x` makes it run again. */
export function stepContext(command: string, mount = ''): string {
  const run = `RUN --mount=type=cache,target=/c${mount} : $x; ${command}`;
  return context({ Dockerfile: dockerfile('ARG x', run) });
}

export const arg = (x: string | number) => `--build-arg=x=${x}`;

/** The directory of the only mount of a store. */
export function mountOf({ root }: Machine): string {
  const [name = '', ...others] = readdirSync(join(root, 'mounts'));
  expect(others).toEqual([]);
  return join(root, 'mounts', name);
}

export const fileName = (number: number) => `f${String(number).padStart(3, '0')}`;

/** Puts files into a mount that no compression makes smaller. Each begins with the tag. */
export function fill(
  directory: string,
  from: number,
  count: number,
  bytes: number,
  tag: string,
): void {
  for (let at = from; at < from + count; at += 1)
    writeFileSync(
      join(directory, fileName(at)),
      Buffer.concat([Buffer.from(tag), randomBytes(bytes)]),
    );
}

export function warnings(events: readonly BuildEvent[]): string[] {
  return events.filter(({ type }) => type === 'warning').map(({ message }) => String(message));
}

/** A place in a bucket. */
export function s3Place(
  { endpoint, bucket, region, accessKeyId, secretAccessKey }: S3Server,
  prefix: string,
): string {
  return `type=s3,bucket=${bucket},region=${region},endpoint_url=${endpoint},prefix=${prefix},access_key_id=${accessKeyId},secret_access_key=${secretAccessKey}`;
}
