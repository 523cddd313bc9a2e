/**
 * An executor in a process and a store of its own: `node executor-child.js STORE EXCHANGE`. It gets
 * steps as JSON, takes layers from the exchange directory by digest and puts layers there.
 */
import { createHash } from 'node:crypto';
import { createReadStream, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fetchingLayers, fetchLayer } from '../../src/engine/images/fetch-layer.js';
import type { InputLayer, LayerArtifact } from '../../src/executor/executor.js';
import { localExecutor } from '../../src/executor/local/local-executor.js';
import { packLayer } from '../../src/fs/archive/pack.js';
import { createWindowMemory, getBytes } from '../../src/fs/archive/windows.js';
import { createHash64 } from '../../src/fs/scan/hash64.js';
import { readLayerMarks } from '../../src/fs/scan/tree-xattrs.js';
import { lazyWiacSys } from '../../src/native/wiac-sys.js';
import { OCI_LAYER } from '../../src/oci/media-types.js';
import type { Digest } from '../../src/oci/resolved-image.js';
import { indexScanStore } from '../../src/store/entries/scan-store.js';
import { stackTree } from '../../src/store/layers/layer-stack.js';
import type { Draft } from '../../src/store/layers/layer-store.js';
import { discardDraft, getDraft, lazyScratch } from '../../src/store/layers/layer-store.js';
import { closeStore, openStore } from '../../src/store/store.js';
import { StepFailedError } from '../../src/util/errors.js';
import type { FromExecutor, ToExecutor } from './executor-messages.js';
import { archivePath } from './executor-messages.js';

const [root = '', exchange = ''] = process.argv.slice(2);
const store = await openStore(root, 'none');
const scanStore = indexScanStore(store, await createHash64());
const scratch = lazyScratch(store.paths);
let numbers = 0;
const machine = {
  store,
  scanStore,
  isolation: 'namespaces' as const,
  runtime: undefined,
  network: 'host' as const,
  limits: {},
  environment: {},
  stacks: stackTree(),
  scratch: scratch.path,
  sys: lazyWiacSys(),
  nextNumber: () => {
    numbers += 1;
    return numbers;
  },
};
const executor = localExecutor(machine);
const arrivals = new Map<string, () => void>();
const running = new Map<number, AbortController>();

function tell(message: FromExecutor): void {
  process.send?.(message);
}

async function bring(
  number: number,
  { diffId }: InputLayer,
  signal: AbortSignal,
): Promise<InputLayer> {
  if (diffId === undefined) throw new Error('a layer without its digest');
  const path = archivePath(exchange, diffId);
  const digest = diffId as Digest;
  const layer = {
    diffId: digest,
    descriptor: { mediaType: OCI_LAYER, digest, size: 0 },
    open: async () => {
      const arrived = new Promise<void>((resume) => arrivals.set(diffId, resume));
      tell({ type: 'want', number, diffId });
      await arrived;
      return createReadStream(path);
    },
  };
  const id = await fetchingLayers({ store, signal }, (session) => fetchLayer(session, layer));
  return { id, diffId };
}

/** Puts a layer into the exchange directory. @returns its digest */
async function send(draft: Draft): Promise<string> {
  const { opaque } = await readLayerMarks(draft.diff);
  const memory = createWindowMemory();
  const hash = createHash('sha256');
  const path = join(exchange, `sending-${draft.id}`);
  writeFileSync(path, '');
  for await (const chunk of getBytes(packLayer(draft.diff, { opaque, memory }), memory)) {
    hash.update(chunk);
    writeFileSync(path, chunk, { flag: 'a' });
  }
  const diffId = `sha256:${hash.digest('hex')}`;
  renameSync(path, archivePath(exchange, diffId));
  return diffId;
}

async function execute(message: ToExecutor & { type: 'execute' }): Promise<LayerArtifact> {
  const { number, step, inputs, secrets } = message;
  const controller = new AbortController();
  running.set(number, controller);
  const { signal } = controller;
  const own = (layers: readonly InputLayer[]) =>
    Promise.all(layers.map((layer) => bring(number, layer, signal)));
  const made = await executor.execute(
    step,
    { ...inputs, base: await own(inputs.base), reads: await Promise.all(inputs.reads.map(own)) },
    {
      output: (text) => tell({ type: 'output', number, text }),
      signal,
      secret: (id) => {
        const value = secrets[id];
        return value === undefined ? undefined : Buffer.from(value, 'base64');
      },
      sshAgent: () => undefined,
      credentials: undefined,
      sources: undefined,
      openLayer: () => {
        throw new Error('this store has its own');
      },
      openBlob: () => {
        throw new Error('this store has its own');
      },
    },
  );
  scanStore.flush();
  if (made.content.kind !== 'draft') return made;
  const draft = getDraft(store.paths, made.content.id);
  try {
    return { ...made, content: { kind: 'archive', diffId: await send(draft) } };
  } finally {
    discardDraft(draft);
  }
}

process.on('message', (message: ToExecutor) => {
  if (message.type === 'layer') {
    statSync(archivePath(exchange, message.diffId));
    arrivals.get(message.diffId)?.();
  } else if (message.type === 'abort') running.get(message.number)?.abort(new Error('aborted'));
  else {
    const { number } = message;
    execute(message).then(
      (artifact) => tell({ type: 'done', number, artifact }),
      (error: Error) => {
        const failed = error instanceof StepFailedError ? error : undefined;
        const { stepExitCode: exitCode, lastLines = [] } = failed ?? {};
        tell({ type: 'failed', number, message: error.message, exitCode, lastLines });
      },
    );
  }
});
process.on('disconnect', async () => {
  scratch.remove();
  await closeStore(store);
});
tell({ type: 'ready' });
