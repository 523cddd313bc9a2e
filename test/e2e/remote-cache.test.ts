/** --cache-to on one machine, --cache-from on another: each is a store of its own. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { describeLayers } from '../support/tree.js';
import type { Machine } from '../support/wiac.js';
import { context, machine, ranSteps, tempDir } from '../support/wiac.js';

/** Seven steps that make layers, one of them only for a stage that another one copies from. */
const TWO_STAGES = [
  'FROM scratch AS build',
  'COPY bin /bin',
  'RUN mkdir /out && echo made > /out/made',
  'FROM scratch',
  'COPY bin /bin',
  'COPY --from=build /out /out',
  'RUN cat /out/made > /read; ln /read /link; chmod 4755 /read',
  'RUN rm -r /out; mkdir /out',
  'WORKDIR /work',
  'COPY file /file',
  '',
].join('\n');

function twoStages(): string {
  return context({ Dockerfile: TWO_STAGES, file: 'content' });
}

function blobsOf({ root }: Machine): string[] {
  return readdirSync(join(root, 'blobs/sha256'));
}

/** What a store has unpacked. */
function layersOf({ root }: Machine): string[] {
  return readdirSync(join(root, 'layers'));
}

describe('type=local', () => {
  test('no step runs, only layers of the result are fetched, and the files are the same', async () => {
    const [a, b] = [machine(), machine()];
    const root = twoStages();
    const cache = join(tempDir(), 'cache');
    const made = await a.build(root, `--cache-to=type=local,dest=${cache},mode=max`);
    expect(ranSteps(made.events)).toHaveLength(7);
    const { events, lowerdirs } = await b.build(root, `--cache-from=type=local,src=${cache}`);
    expect(ranSteps(events)).toEqual([]);
    expect(await describeLayers(lowerdirs)).toEqual(await describeLayers(made.lowerdirs));
    expect(lowerdirs.split(':')).toHaveLength(6);
    expect(layersOf(b)).toHaveLength(6);
    expect(blobsOf(b)).toHaveLength(6);
    // What was found belongs to the store now, the stage nobody unpacked included.
    rmSync(cache, { recursive: true });
    expect(ranSteps((await b.build(root)).events)).toEqual([]);
  });
});
