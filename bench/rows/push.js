// An image with a layer of 80 MB to a registry of this machine, which is empty, and then has it.
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stepsContext } from '../contexts.js';
import { time } from '../harness.js';
import { startRegistry } from '../registry.js';
import { ofBuildah } from '../table.js';

const FILES = 20;
const SIZE = 80e6;

export async function measure({ work, builds, builders, directory }) {
  const registry = join(work, 'push-registry');
  const host = await startRegistry(work, registry);
  const context = directory('push');
  mkdirSync(join(context, 'data'));
  // Text that gzip makes half as large, as it does with most sources.
  for (let file = 0; file < FILES; file++)
    writeFileSync(join(context, 'data', `${file}`), randomBytes(SIZE / FILES / 2).toString('hex'));
  stepsContext(context, ['COPY data /data', 'RUN ls /data > /list']);
  const image = (name) => `${host}/${name}`;
  for (const [name, builder] of Object.entries(builders))
    time(builder.build(context, { args: ['-t', image(name)] }));
  const push = (builder, name) => builder.push(image(name), image(name));
  const first = builds((builder, _round, name) => {
    for (const entry of readdirSync(registry)) rmSync(join(registry, entry), { recursive: true });
    // The layer is packed and compressed as if for the first time.
    rmSync(join(work, 'wiac-store/blobs'), { recursive: true, force: true });
    return push(builder, name);
  });
  for (const [name, builder] of Object.entries(builders)) time(push(builder, name));
  const again = builds((builder, _round, name) => push(builder, name));
  return {
    rows: [
      { title: 'push of an 80 MB layer', times: first, targets: ofBuildah(first, 0.9) },
      { title: 'push of it again', times: again, targets: ofBuildah(again, 1) },
    ],
  };
}
