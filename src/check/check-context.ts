/** What the rules look things up in, and the scope of FROM. */
import type { Dockerfile } from '../dockerfile/ast.js';
import { expandWords, type WordsExpansion } from '../dockerfile/expand.js';
import type { ContainerConfig } from '../oci/image-config.js';
import { type BuildArgs, type GlobalScope, globalScope, platformArgs } from '../plan/scope.js';
import { type Stage, type Stages, splitStages, stageByName } from '../plan/stages.js';
import { type SourceLocation, WiacError } from '../util/errors.js';

/** What the rules want to know of a base image. */
export interface BaseImage {
  /** `os/architecture[/variant]` of its config. */
  readonly platform: string;
  readonly config: Pick<ContainerConfig, 'Env' | 'Shell' | 'OnBuild'>;
}

export interface CheckOptions {
  /** Values of --build-arg. */
  readonly buildArgs: BuildArgs;
  /** Platform that is built for, `os/architecture[/variant]`. */
  readonly platform: string;
  /** Platform of this machine; undefined: the same. */
  readonly buildPlatform?: string | undefined;
  /**
   * Is a path of the build context left out, with all there is below it? A directory of which a
   * `!` pattern brings something back is not. Undefined without .dockerignore.
   */
  readonly ignores: ((path: string) => boolean) | undefined;
  /**
   * The image that FROM or COPY --from names, undefined when it is not known. Without an answer
   * InvalidBaseImagePlatform says nothing, and the image counts as one that sets only PATH.
   */
  readonly baseImage?: ((reference: string, platform: string) => BaseImage | undefined) | undefined;
}

/** One Dockerfile and what it is checked with. */
export interface CheckContext extends Stages {
  readonly dockerfile: Dockerfile;
  readonly options: CheckOptions;
  readonly globals: GlobalScope;
}

/** Undefined in place of an error of wiac: the build reports errors, the rules do not. */
export function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof WiacError) return undefined;
    throw error;
  }
}

/** Expands a word as the Dockerfile means it; undefined when it cannot be expanded. */
export function expandWith(
  dockerfile: Dockerfile,
  values: ReadonlyMap<string, string>,
  word: string,
  location: SourceLocation,
): WordsExpansion | undefined {
  const lookup = (name: string) => values.get(name);
  const { directives } = dockerfile;
  return attempt(() => expandWords(word, { lookup, escape: directives.escape, location }));
}

/** Variables that FROM sees. @param buildArgs values of --build-arg that count */
export function checkedScope(
  { dockerfile, options, globalArgs, stages }: Omit<CheckContext, 'globals'>,
  buildArgs: BuildArgs,
): GlobalScope {
  const { platform, buildPlatform = platform } = options;
  const automatic = platformArgs(platform, buildPlatform, stages.at(-1)?.name);
  return globalScope(
    globalArgs,
    automatic,
    buildArgs,
    (word, values, location) => expandWith(dockerfile, values, word, location)?.text,
  );
}

/** @throws DockerfileError when there is no FROM, which the parser has refused already */
export function checkContext(dockerfile: Dockerfile, options: CheckOptions): CheckContext {
  const context = { dockerfile, options, ...splitStages(dockerfile) };
  return { ...context, globals: checkedScope(context, options.buildArgs) };
}

/** What a stage is based on. */
export type Base =
  | { readonly kind: 'stage'; readonly stage: Stage }
  | { readonly kind: 'scratch' }
  | {
      readonly kind: 'image';
      readonly reference: string;
      /** Platform that is asked for. */
      readonly platform: string;
      readonly image: BaseImage | undefined;
    };

/** What the stage is based on; undefined when its FROM means nothing. */
export function getBase(context: CheckContext, current: Stage): Base | undefined {
  const { dockerfile, globals, options } = context;
  const { from } = current;
  const expand = (word: string) => expandWith(dockerfile, globals.values, word, from.location);
  const reference = expand(from.image)?.text;
  if (reference === undefined || reference === '') return undefined;
  const stage = stageByName(context, reference, current);
  if (stage !== undefined) return { kind: 'stage', stage };
  if (reference === 'scratch') return { kind: 'scratch' };
  const flag = from.flags.find(({ name }) => name === 'platform')?.value;
  const platform = flag === undefined ? options.platform : expand(flag)?.text;
  if (platform === undefined || platform === '') return undefined;
  const image = options.baseImage?.(reference, platform);
  return { kind: 'image', reference, platform, image };
}
