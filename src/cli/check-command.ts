/** `wiac build --check`: BuildKit's linter rules in the place of a build. */
import type { CheckOptions, CheckResult } from '../check/check-dockerfile.js';
import { checkDockerfile, formatWarnings } from '../check/check-dockerfile.js';
import type { Dockerfile } from '../dockerfile/ast.js';
import type { FindStored, ImageAccess, PlanError } from '../engine/images/base-images.js';
import { openImage, planError } from '../engine/images/base-images.js';
import type { ImageRequest, PlanImage, PlanImages } from '../engine/images/plan-images.js';
import { planImages } from '../engine/images/plan-images.js';
import { parseBuildContexts } from '../engine/inputs/build-contexts.js';
import type { BuildInput } from '../engine/inputs/build-input.js';
import { isElsewhere, openInput } from '../engine/inputs/build-input.js';
import type { Workspace } from '../engine/inputs/workspace.js';
import { checkedImage, refuseWarnings } from '../engine/lint-build.js';
import { imageAccess, openDockerfile, planOptions } from '../engine/plan-dockerfile.js';
import { unmetered } from '../engine/transfers.js';
import { DEFAULT_LIMITS } from '../oci/tar/expansion-limit.js';
import type { SetExitCode } from './declare/options.js';
import type { DockerfileOptions } from './dockerfile-input.js';
import {
  dockerfileRequest,
  getContexts,
  parsePairs,
  wantedPlatform,
  withStoredImages,
} from './dockerfile-input.js';
import { registryAccess } from './registry-options.js';
import { readSignedPrefixes } from './signed-prefix-options.js';

/** An image that a rule asks for; undefined when it can't be had, which is no error of a check. */
async function lookUp(
  request: ImageRequest,
  findStored: FindStored,
  access: ImageAccess,
): Promise<PlanImage | undefined> {
  const { reference } = request;
  const sources: Parameters<typeof openImage>[2] = [];
  try {
    return await openImage(request, findStored, sources, access);
  } catch (error) {
    process.stderr.write(`wiac: ${reference} was not checked: ${(error as Error).message}\n`);
    return undefined;
  } finally {
    await Promise.all(sources.map((source) => source.close()));
  }
}

/** Checks again and again, until every image that a rule asks for was looked up. */
async function checkWithImages(
  dockerfile: Dockerfile,
  options: CheckOptions,
  access: ImageAccess,
): Promise<{ readonly result: CheckResult; readonly images: PlanImages }> {
  const images = planImages();
  const looked = new Set<string>();
  for (;;) {
    const missing: ImageRequest[] = [];
    const baseImage = (reference: string, platform: string) => {
      const key = `${platform} ${reference}`;
      if (!looked.has(key)) missing.push({ reference, platform });
      looked.add(key);
      return checkedImage(images.get({ reference, platform }));
    };
    const result = checkDockerfile(dockerfile, { ...options, baseImage });
    if (missing.length === 0) return { result, images };
    await withStoredImages(async (findStored) => {
      for (const request of missing) {
        const image = await lookUp(request, findStored, access);
        if (image) images.set(request, image);
      }
    });
  }
}

/** What would make a build fail before it has begun. */
function errorOfBuild(
  dockerfile: Dockerfile,
  { buildArgs, platform }: CheckOptions,
  { target, buildContext }: DockerfileOptions,
  images: PlanImages,
): PlanError | undefined {
  const { contexts } = parseBuildContexts(getContexts(buildContext));
  // What may be allowed is asked when it is built.
  const allowed = ['security.insecure', 'network.host'] as const;
  const request = { context: '', buildArgs, platform, target, allowed };
  return planError(dockerfile, planOptions(request, contexts), images);
}

/** For a directory of this machine: no store is made to check it. */
const NO_WORKSPACE: Workspace = {
  scratch: () => {
    throw new Error('what is elsewhere needs a store');
  },
  limits: DEFAULT_LIMITS,
  environment: process.env,
  input: () => process.stdin,
  meter: unmetered,
  signal: new AbortController().signal,
};

/** Reads what is to be checked, wherever it is. @throws what openInput throws */
export async function readInput(
  path: string,
  options: DockerfileOptions,
  action: (input: BuildInput) => Promise<void>,
): Promise<void> {
  if (!isElsewhere(path, options.file)) {
    const { signal } = NO_WORKSPACE;
    const { platform: _, ...others } = options;
    const request = await dockerfileRequest(path, others, signal);
    return action(await openInput(path, request, NO_WORKSPACE));
  }
  const { withRequest } = await import('./with-store.js');
  await withRequest(path, options, async (store, request) => {
    const { input, close } = await openDockerfile(store, request);
    try {
      await action(input);
    } finally {
      close();
    }
  });
}

/** Exit code when there are warnings: that of buildx. */
const WARNINGS_FOUND = 1;

/** Prints the warnings where GitHub shows them at their lines, too. JSON stays what it is. */
async function annotate(
  { warnings }: CheckResult,
  text: string,
  format: 'text' | 'json',
): Promise<void> {
  const [{ githubWriter }, { githubSettings }] = await Promise.all([
    import('../ui/github.js'),
    import('../ui/progress.js'),
  ]);
  const { stdout, stderr } = process;
  if (format === 'json') stdout.write(text);
  const stream = format === 'json' ? stderr : stdout;
  const log = githubWriter(githubSettings((more) => void stream.write(more)));
  if (format === 'text') log.text(text.trimEnd());
  const places = warnings.map(({ location, ...warning }) => ({ ...warning, ...location }));
  log.annotate?.({ type: 'lint', warnings: places });
  log.close();
}

/**
 * Prints the warnings.
 * @throws DockerfileError when `# check=error=true` makes them one; what a build would fail with before its first step
 */
export async function checkInput(
  { dockerfile, ignores }: BuildInput,
  options: DockerfileOptions,
  { format, inGithub }: { readonly format: 'text' | 'json'; readonly inGithub: boolean },
  setExitCode: SetExitCode,
): Promise<void> {
  const checkOptions = {
    buildArgs: parsePairs(options.buildArg, '--build-arg'),
    platform: wantedPlatform(options.platform),
    buildPlatform: wantedPlatform(undefined),
    ignores,
  };
  const { pull, registry = await registryAccess(options) } = options;
  const requireSigned = readSignedPrefixes(options.requireSigned, process.env);
  const access = imageAccess({
    ...{ context: '', environment: process.env },
    ...{ pull, registry, requireSigned },
  });
  const { result, images } = await checkWithImages(dockerfile, checkOptions, access);
  const error = errorOfBuild(dockerfile, checkOptions, options, images);
  const text = formatWarnings(result, dockerfile, format, error);
  if (inGithub) await annotate(result, text, format);
  else process.stdout.write(text);
  if (result.warnings.length > 0) setExitCode(WARNINGS_FOUND);
  refuseWarnings(result);
  if (error) throw error;
}
