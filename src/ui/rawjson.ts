/**
 * `--progress=rawjson`: BuildKit's SolveStatus, one a line, as buildx writes it (package client of
 * moby/buildkit: Vertex, VertexStatus, VertexLog, VertexWarning). Bytes are in base64.
 */
import type { BuildEvent, EventSink } from '../engine/events.js';
import type { Step, StepId } from '../plan/step.js';
import { stepNames } from '../plan/step-names.js';
import type { Json } from '../util/canonical-json.js';
import { canonicalJson, sha256 } from '../util/canonical-json.js';

interface Vertex {
  readonly digest: string;
  readonly inputs?: readonly string[];
  readonly name: string;
  /** RFC 3339. */
  readonly started?: string;
  readonly completed?: string;
  readonly cached?: true;
  readonly error?: string;
}

/** One line of JSON; members without a value are left out. */
export interface SolveStatus {
  readonly vertexes?: readonly Vertex[];
  readonly statuses?: readonly {
    readonly id: string;
    readonly vertex: string;
    readonly current: number;
    readonly timestamp: string;
    readonly started: string;
  }[];
  readonly logs?: readonly {
    readonly vertex: string;
    readonly stream: number;
    readonly data: string;
    readonly timestamp: string;
  }[];
  readonly warnings?: readonly VertexWarning[];
}

/** A warning as BuildKit has it; also in the metadata file. */
export interface VertexWarning {
  readonly vertex?: string;
  readonly level: number;
  readonly short: string;
  readonly detail?: readonly string[];
  readonly url?: string;
  readonly sourceInfo?: { readonly filename: string; readonly language: string };
  readonly range?: readonly {
    readonly start: { readonly line: number };
    readonly end: { readonly line: number };
  }[];
}

type Lint = (BuildEvent & { readonly type: 'lint' })['warnings'];

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function getDigest(value: unknown): string {
  return `sha256:${sha256(canonicalJson(value as Json))}`;
}

/** Where BuildKit reads the Dockerfile: the vertex that the linter's warnings are about. */
function definition(file: string): Pick<Vertex, 'digest' | 'name'> {
  const name = `[internal] load build definition from ${file}`;
  return { digest: getDigest(name), name };
}

/** What the linter says, as BuildKit's warnings. */
export function lintWarnings(warnings: Lint): VertexWarning[] {
  return warnings.map(({ rule, detail, description, url, file, line }) => ({
    vertex: definition(file).digest,
    level: 1,
    short: base64(`${rule}: ${detail} (line ${line})`),
    detail: [base64(description)],
    url,
    sourceInfo: { filename: file, language: 'Dockerfile' },
    range: [{ start: { line }, end: { line } }],
  }));
}

/** A warning that is about no place. */
export function plainWarning(message: string): SolveStatus {
  return { warnings: [{ level: 1, short: base64(message) }] };
}

/**
 * The steps of a plan as vertexes, by id. What changes the config alone is none, and neither is
 * scratch; images have been looked up by now.
 */
function getVertexes(steps: readonly Step[], now: string): Map<StepId, Vertex> {
  const names = stepNames(steps);
  const vertexes = new Map<StepId, Vertex>();
  /** What stands for a step in the inputs of those above it. */
  const digests = new Map<StepId, string>();
  // A step comes after all that it needs.
  for (const step of steps) {
    const { id, parent, reads, text, location, ...rest } = step;
    const below = [...(parent === undefined ? [] : [parent]), ...reads];
    const inputs = below.flatMap((other) => digests.get(other) ?? []);
    const [lowest] = inputs;
    if (step.kind === 'meta' && lowest !== undefined) digests.set(id, lowest);
    if (step.kind === 'meta' || (step.kind === 'source' && step.digest === undefined)) continue;
    const digest = getDigest({ ...rest, text, inputs });
    digests.set(id, digest);
    vertexes.set(id, {
      digest,
      ...(inputs.length === 0 ? {} : { inputs }),
      name: `${names.get(id)} ${text}`,
      ...(step.kind === 'source' ? { started: now, completed: now } : {}),
    });
  }
  return vertexes;
}

/**
 * A sink that writes lines.
 * @param now the time of an event, RFC 3339
 */
export function rawJsonProgress(
  write: (status: SolveStatus) => void,
  now: () => string,
): EventSink {
  const vertexes = new Map<StepId, Vertex>();
  const update = (id: StepId, change: Partial<Vertex>) => {
    const vertex = vertexes.get(id);
    if (!vertex) return;
    const changed = { ...vertex, ...change };
    vertexes.set(id, changed);
    write({ vertexes: [changed] });
  };
  const digest = (id: StepId) => vertexes.get(id)?.digest ?? '';
  return (event) => {
    const timestamp = now();
    switch (event.type) {
      case 'planned': {
        // Builds of several targets have one more of them from time to time.
        const added = [...getVertexes(event.steps, timestamp)].filter(([id]) => !vertexes.has(id));
        for (const [id, vertex] of added) vertexes.set(id, vertex);
        return write({ vertexes: added.map(([, vertex]) => vertex) });
      }
      case 'cached':
        return update(event.step, { started: timestamp, completed: timestamp, cached: true });
      case 'started':
        return update(event.step, { started: timestamp });
      case 'finished':
        return update(event.step, {
          completed: timestamp,
          ...(event.cached ? { cached: true } : {}),
        });
      case 'failed':
        return update(event.step, { completed: timestamp, error: event.message });
      case 'stopped':
        return update(event.step, { completed: timestamp, error: 'context canceled' });
      case 'waiting': {
        const id = `waiting for process ${event.pid}`;
        const vertex = digest(event.step);
        return write({
          statuses: [{ id, vertex, current: 0, timestamp, started: timestamp }],
        });
      }
      case 'placed': {
        const vertex = digest(event.step);
        return write({
          statuses: [
            { id: `on ${event.worker}`, vertex, current: 0, timestamp, started: timestamp },
          ],
        });
      }
      case 'output': {
        const data = base64(`${event.text}\n`);
        return write({ logs: [{ vertex: digest(event.step), stream: 1, data, timestamp }] });
      }
      case 'warning':
        return write(plainWarning(event.message));
      case 'lint': {
        const [file = ''] = event.warnings.map((warning) => warning.file);
        const vertex = { ...definition(file), started: timestamp, completed: timestamp };
        return write({ vertexes: [vertex], warnings: lintWarnings(event.warnings) });
      }
      case 'transfer':
      case 'built':
        return undefined;
    }
  };
}
