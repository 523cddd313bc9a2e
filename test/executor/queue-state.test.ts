/** Who takes a step, and what of a stream counts: pure. */
import { expect, test } from '@jest/globals';
import { labelLines, labelOf } from '../../src/engine/worker-labels.js';
import { groundOf, isAnswer, isMadeOn, lastStart } from '../../src/executor/queue/coordinator.js';
import { classesOf } from '../../src/executor/queue/list-queue.js';
import type {
  Announcement,
  StepMessage,
  WireStep,
} from '../../src/executor/queue/queue-protocol.js';
import { OWN_VERSION } from '../../src/executor/queue/queue-protocol.js';
import { fits, missingWorker } from '../../src/executor/queue/worker-list.js';
import { getStep } from '../support/steps.js';

const worker = (rest: Partial<Announcement>): Announcement => ({
  ...OWN_VERSION,
  id: 'w',
  name: 'w',
  platforms: ['linux/amd64'],
  labels: [],
  slots: 1,
  running: [],
  done: 0,
  ...rest,
});

test('a step without a worker says which there are', () => {
  const gpu = worker({ labels: ['gpu'] });
  expect(fits(gpu, 'linux/amd64', undefined)).toBe(true);
  expect(fits(gpu, 'linux/amd64', 'gpu')).toBe(true);
  expect(fits(gpu, 'linux/arm64', 'gpu')).toBe(false);
  const list = { own: [gpu], strangers: [] };
  expect(missingWorker(list, 'linux/amd64', 'gpu')).toBeUndefined();
  expect(missingWorker(list, 'linux/arm64')?.message).toBe(
    'no worker for linux/arm64 is in the queue: they are for linux/amd64',
  );
  expect(missingWorker(list, 'linux/amd64', 'fpga')?.message).toContain('with the label fpga');
  const other = { name: 'old', protocol: 0, wiac: '0.0.1' };
  expect(missingWorker({ own: [], strangers: [other] }, 'linux/amd64')?.message).toMatch(
    /wiac \S+ \(protocol \d+\) is in the queue: old is wiac 0\.0\.1 \(protocol 0\)$/,
  );
});

test('a step of a build with keys says which key no worker has', () => {
  const [key, by] = ['key-0123456789abcdef', 'by-0123456789abcdef'];
  const own = [worker({ labels: [`key-${'1'.repeat(16)}`, by], signedOnly: true })];
  const said = (label: string, platform = 'linux/amd64', workers = own) =>
    missingWorker({ own: workers, strangers: [] }, platform, label)?.message;
  expect(said(by)).toBeUndefined();
  expect(said(`by-${'2'.repeat(16)}`)).toContain('trusts the key of this build');
  expect(said(`${key}.${by}`)).toContain('that has the key of --worker-key');
  expect(said(`${key}.${by}`, 'linux/amd64', [...own, worker({ labels: [key] })])).toContain(
    'as well',
  );
  // Where there is nobody for the platform, or with the label, no key is the reason.
  expect(said(`${key}.${by}`, 'linux/arm64')).toMatch(/linux\/arm64 is in the queue: they are for/);
  expect(said(`gpu.${by}`)).toContain('linux/amd64 with the label gpu is in the queue');
});

test('each platform with each label is a class, once', () => {
  const all = [worker({}), worker({ labels: ['gpu'] }), worker({ platforms: ['linux/arm64'] })];
  expect(classesOf(all)).toEqual([
    { platform: 'linux/amd64', label: 'gpu' },
    { platform: 'linux/amd64' },
    { platform: 'linux/arm64' },
  ]);
});

test('a late listener hears a step from its last start on', () => {
  const messages: StepMessage[] = [
    { type: 'queued' },
    { type: 'started', worker: 'a' },
    { type: 'output', before: 0, lines: ['x'] },
    { type: 'given back', worker: 'a' },
    { type: 'started', worker: 'b' },
  ];
  const heard = messages.map((message, at) => ({ id: String(at), message }));
  expect(lastStart(heard)).toEqual({ from: '3', last: messages[4], started: true });
  expect(lastStart(heard.slice(0, 2))).toMatchObject({ from: '0', started: true });
  expect(lastStart(heard.slice(0, 1))).toMatchObject({ from: '0', started: false });
  expect(lastStart([])).toEqual({ from: '0', last: undefined, started: false });
  // Of a step that has printed much the stream has the end.
  expect(lastStart(heard.slice(2, 3))).toMatchObject({ from: '0', started: true });
});

test('a result counts only on the layers that it was made on, and that it read', () => {
  const measures = { files: 0, bytes: 0, disk: 0 };
  const layer = (diffId: string) => ({ diffId, blob: { mediaType: '', digest: '', size: 0 } });
  const base = [layer('sha256:1'), layer('sha256:2')];
  const wanted = (reads: readonly (typeof base)[], skipsCache = false) => {
    const step = { ...getStep('run', 's1'), key: '', operation: '', inputs: {} };
    return { base, step: { ...step, reads, skipsCache } as unknown as WireStep };
  };
  const outcome = { ...groundOf(base, wanted([base]).step), files: [], measures };
  expect(isMadeOn(outcome, wanted([base]))).toBe(true);
  expect(isMadeOn(outcome, { ...wanted([base]), base: base.toReversed() })).toBe(false);
  expect(isMadeOn(outcome, { ...wanted([base]), base: base.slice(1) })).toBe(false);
  expect(isMadeOn(outcome, wanted([]))).toBe(false);
  expect(isMadeOn(outcome, wanted([base.slice(1)]))).toBe(false);
  // What a worker had already is no answer to --no-cache, although its build has asked for it.
  expect(isAnswer({ ...outcome, cached: true }, wanted([base]))).toBe(true);
  expect(isAnswer({ ...outcome, cached: true }, wanted([base], true))).toBe(false);
  expect(isAnswer(outcome, wanted([base], true))).toBe(true);
});

test('labels stand above an instruction, or on the command line', () => {
  const lines = labelLines(
    'FROM a\n# about it\n# wiac:label=gpu\nRUN x\n# wiac:label=a b\nRUN y\n',
    'D',
  );
  expect([...lines]).toEqual([[4, 'gpu']]);
  const step = { ...getStep('run', 's1'), text: 'RUN x', stage: 'Build' };
  const at = { ...step, location: { file: 'D', line: 4, column: 1, endLine: 4 } };
  expect(labelOf(at, [], lines)).toBe('gpu');
  expect(labelOf(at, [['run x', 'big']], lines)).toBe('big');
  expect(labelOf(at, [['build', 'big']], lines)).toBe('big');
  expect(labelOf({ ...at, location: { ...at.location, line: 5 } }, [['run y', 'b']], lines)).toBe(
    undefined,
  );
});
