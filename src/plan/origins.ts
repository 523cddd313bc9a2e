/**
 * Where files come from: FROM, COPY --from, RUN --mount from=, ADD. A name is a named context
 * (--build-context) first, then a stage, then an image.
 */
import { posix } from 'node:path';
import type { Instruction } from '../dockerfile/ast.js';
import { scratchConfig } from '../oci/image-config.js';
import type { SourceLocation } from '../util/errors.js';
import { DockerfileError } from '../util/errors.js';
import type { Compilation, StageState } from './compilation.js';
import { contextName } from './context-name.js';
import type { Remote } from './remote.js';
import { configSize, copyConfig, openConfig } from './stage-config.js';
import type { Stage, StageTable } from './stages.js';
import { nearStage, stageByName, stageByReference, stageHint } from './stages.js';
import type { StepId } from './step.js';
import { COPIED_ENTRY } from './text-budget.js';

/** A step that holds the files, or a directory of this machine that does. */
export type Origin = { readonly step: StepId } | { readonly context: string };

/** The name of the image that is none; no context can have it. */
const NOTHING = 'scratch';

type StageStart = Pick<
  StageState,
  | 'config'
  | 'author'
  | 'triggers'
  | 'declared'
  | 'args'
  | 'overEnv'
  | 'head'
  | 'history'
  | 'platform'
>;

/** A step that stands for nothing at all. */
export function scratchStep(
  { graph }: Compilation,
  stage: string,
  platform: string,
  text: string,
  location: SourceLocation,
): StepId {
  const nothing = { reference: 'scratch', digest: undefined, parent: undefined, reads: [] };
  return graph.add({ ...nothing, kind: 'source', text, stage, platform, location });
}

/** The step that stands for the layers of an image. */
function imageStep(
  { options, graph }: Compilation,
  reference: string,
  platform: string,
  stage: string,
  text: string,
  location: SourceLocation,
): StepId {
  const { digest } = options.image(reference, platform, location);
  return graph.add({
    kind: 'source',
    reference,
    digest,
    parent: undefined,
    reads: [],
    text,
    stage,
    platform,
    location,
  });
}

/**
 * A COPY of files of a context to their own path, for where a step is needed: the layer keeps what
 * was seen, .dockerignore applied, and is found again by its content like any other.
 */
export function contextFiles(
  compilation: Compilation,
  context: string,
  path: string,
  platform: string,
  location: SourceLocation,
): StepId {
  const title = context === '' ? 'build context' : `context ${context}`;
  const parent = scratchStep(compilation, title, platform, title, location);
  const destination = posix.resolve('/', path);
  return compilation.graph.add({
    kind: 'copy',
    parent,
    reads: [],
    text: `${title}: ${destination}`,
    stage: title,
    platform,
    location,
    from: undefined,
    context,
    sources: [path],
    literal: true,
    inline: [],
    destination,
    chown: undefined,
    chmod: undefined,
    parents: false,
    exclude: [],
    link: false,
    unpack: 'never',
  });
}

/** The step that fetches a file or a repository from the network. */
export function remoteStep(
  { graph, options, credentials: known }: Compilation,
  { source, credentials }: Remote,
  location: SourceLocation,
): StepId {
  const text = `fetch ${source.url}`;
  const locked = options.lockedContent?.(source, location);
  const step = graph.add({
    kind: 'fetch',
    source,
    ...(locked === undefined ? {} : { locked }),
    parent: undefined,
    reads: [],
    text,
    stage: 'remote',
    platform: options.platform,
    location,
  });
  if (credentials !== undefined) known.set(step, credentials);
  return step;
}

/** A word that is nearly the name of a stage is more likely a slip than an image of that name. */
function refuseMisspelled(stages: StageTable, reference: string, location: SourceLocation): void {
  if (nearStage(stages, reference) === undefined && !/^\d+$/.test(reference)) return;
  throw new DockerfileError(`--from=${reference}: there is no such build stage`, location, {
    hint: stageHint(stages, reference),
  });
}

/** The last stage of that name, or the one of that index, before a stage: Docker reads no further. */
function earlierStage(
  compilation: Compilation,
  reference: string,
  current: Stage,
): Stage | undefined {
  const named = stageByName(compilation, reference, current);
  if (named || !/^\d+$/.test(reference) || Number(reference) >= current.index) return named;
  return compilation.stages[Number(reference)];
}

function refuseOrder(name: string, isItself: boolean, location: SourceLocation): never {
  const problem = isItself ? "a stage can't copy from itself" : 'that stage comes later';
  throw new DockerfileError(`--from=${name}: ${problem}`, location, {
    hint: isItself
      ? 'split it into two stages'
      : 'move it before this one: Docker reads no further',
  });
}

/** What `from=` means. @throws DockerfileError */
export function getOrigin(
  compilation: Compilation,
  reference: string,
  current: Stage,
  { location }: Instruction,
): Origin {
  const { options } = compilation;
  // BuildKit takes the image for what is built, also in a stage of another platform.
  const image = (name: string) => ({
    step: imageStep(compilation, name, options.platform, 'images', name, location),
  });
  const key = contextName(reference);
  const named = reference === NOTHING ? undefined : options.contexts.get(key);
  if (named?.kind === 'directory') return { context: key };
  if (named?.kind === 'image') return image(named.reference);
  if (named?.kind === 'target') {
    const stage = stageByReference(compilation, named.stage);
    if (stage && stage !== current) return { step: compilation.compileStage(stage, location).head };
  }
  const name = named?.kind === 'target' ? named.stage : reference;
  const stage = earlierStage(compilation, name, current);
  if (stage) return { step: compilation.compileStage(stage, location).head };
  const other = stageByReference(compilation, name);
  if (other) refuseOrder(name, other === current, location);
  if (name === NOTHING)
    return { step: scratchStep(compilation, NOTHING, options.platform, NOTHING, location) };
  refuseMisspelled(compilation, name, location);
  return image(name);
}

function imageStart(
  compilation: Compilation,
  stage: Stage,
  reference: string,
  platform: string,
): StageStart {
  const { original, location } = stage.from;
  const { config, history, author } = compilation.options.image(reference, platform, location);
  const head = imageStep(compilation, reference, platform, stage.title, original, location);
  return {
    platform,
    config: openConfig(config),
    author,
    triggers: config.OnBuild ?? [],
    declared: new Set(),
    args: new Map(),
    overEnv: new Set(),
    head,
    history: history.map((entry) => ({ ...entry, step: head })),
  };
}

function fromNothing(platform: string): Omit<StageStart, 'head'> {
  return {
    platform,
    config: openConfig(scratchConfig(platform)),
    author: undefined,
    triggers: [],
    declared: new Set(),
    args: new Map(),
    overEnv: new Set(),
    history: [],
  };
}

/**
 * What --build-context makes of a name in FROM or AS: files or an image.
 * @param stage the one that is, or begins with, what has the name
 */
export function contextStart(
  compilation: Compilation,
  stage: Stage,
  name: string,
  platform: string,
): StageStart | undefined {
  const key = contextName(name);
  const named = name === NOTHING ? undefined : compilation.options.contexts.get(key);
  if (named?.kind === 'image') return imageStart(compilation, stage, named.reference, platform);
  if (named?.kind !== 'directory') return undefined;
  const head = contextFiles(compilation, key, '/', platform, stage.from.location);
  return { ...fromNothing(platform), head };
}

/**
 * What a stage begins with.
 * @param image the operand of FROM after expansion
 * @param platform of FROM --platform, or what is built for; a stage that goes on from another one
 *   has that one's
 */
export function stageStart(
  compilation: Compilation,
  stage: Stage,
  image: string,
  platform: string,
): StageStart {
  const { original, location } = stage.from;
  const start = contextStart(compilation, stage, image, platform);
  if (start) return start;
  const named = compilation.options.contexts.get(contextName(image));
  const name = named?.kind === 'target' ? named.stage : image;
  const base = stageByName(compilation, name, stage);
  if (base) {
    const inherited = compilation.compileStage(base, location);
    const { config, declared, args, head, history, platform, author } = inherited;
    // What many stages inherit is copied for each of them.
    const entries = configSize(config) + declared.size + args.size + history.length;
    compilation.kept.spend(entries * COPIED_ENTRY, location);
    return {
      platform,
      config: copyConfig(config),
      author,
      triggers: config.triggers,
      declared: new Set(declared),
      args: new Map(args),
      // As in BuildKit: a stage begins with the ENV of what it builds on, over every ARG from there.
      overEnv: new Set(),
      head,
      history: [...history],
    };
  }
  if (name !== NOTHING) return imageStart(compilation, stage, name, platform);
  const head = scratchStep(compilation, stage.title, platform, original, location);
  return { ...fromNothing(platform), head };
}
