/**
 * UndefinedArgInFrom, InvalidDefaultArgInFrom, RedundantTargetPlatform,
 * FromPlatformFlagConstDisallowed, InvalidBaseImagePlatform.
 */
import type { Expansion } from '../dockerfile/expand.js';
import { formatPlatform, parsePlatform } from '../oci/platform.js';
import { parseReference } from '../oci/reference.js';
import { type Stage, stageByName, stageByReference } from '../plan/stages.js';
import type { SourceLocation } from '../util/errors.js';
import { suggest } from '../util/suggest.js';
import {
  attempt,
  type BaseImage,
  type CheckContext,
  checkedScope,
  expandWith,
  getBase,
} from './check-context.js';
import type { Finding } from './rules.js';
import type { Visit } from './walk.js';

function undefinedArgs(
  context: CheckContext,
  expansion: Expansion,
  location: SourceLocation,
): Finding[] {
  const { names } = context.globals;
  return [...expansion.undefinedNames]
    .filter((name) => !names.has(name))
    .map((name) => {
      const near = suggest(name, names);
      const hint = near === undefined ? '' : ` (did you mean ${near}?)`;
      const detail = `FROM uses '${name}', which no ARG before the first FROM declares${hint}`;
      return { rule: 'UndefinedArgInFrom', detail, location };
    });
}

function redundantPlatform(
  context: CheckContext,
  flag: string,
  { text, used, undefinedNames }: Expansion,
  location: SourceLocation,
): Finding[] {
  const onlyTarget = used.size === 1 && used.has('TARGETPLATFORM') && undefinedNames.size === 0;
  if (!onlyTarget || text !== context.globals.values.get('TARGETPLATFORM')) return [];
  const detail = `--platform=${flag} is the default: leave it out`;
  return [{ rule: 'RedundantTargetPlatform', detail, location }];
}

/** A constant is fine when the stage's name says for what it is. */
function constantPlatform(
  stageName: string,
  { text, used, undefinedNames }: Expansion,
  location: SourceLocation,
): Finding[] {
  if (used.size > 0 || undefinedNames.size > 0) return [];
  const platform = attempt(() => parsePlatform(text));
  if (platform === undefined) return [];
  if (stageName.includes(platform.os) || stageName.includes(platform.architecture)) return [];
  const detail = `--platform=${text} builds this stage for no other platform: use a variable such as $BUILDPLATFORM`;
  return [{ rule: 'FromPlatformFlagConstDisallowed', detail, location }];
}

/** The words of FROM and its --platform. */
export function fromWords(context: CheckContext): Finding[] {
  const { dockerfile, globals, stages } = context;
  return stages.flatMap(({ name, from }): Finding[] => {
    const { location } = from;
    const expand = (word: string) => expandWith(dockerfile, globals.values, word, location);
    const image = expand(from.image);
    const findings = image === undefined ? [] : undefinedArgs(context, image, location);
    const flag = from.flags.find((item) => item.name === 'platform')?.value ?? '';
    const platform = expand(flag);
    if (flag === '' || platform === undefined) return findings;
    return [
      ...findings,
      ...undefinedArgs(context, platform, location),
      ...redundantPlatform(context, flag, platform, location),
      ...constantPlatform(name ?? '', platform, location),
    ];
  });
}

/** FROM, expanded as if no --build-arg were given, names neither a stage nor a possible image. */
export function defaultImages(context: CheckContext): Finding[] {
  const { dockerfile, stages } = context;
  const { values } = checkedScope(context, {});
  return stages.flatMap((stage): Finding[] => {
    const { location, image } = stage.from;
    const text = expandWith(dockerfile, values, image, location)?.text;
    const isUsable =
      text === undefined ||
      stageByName(context, text, stage) !== undefined ||
      attempt(() => parseReference(text)) !== undefined;
    if (isUsable) return [];
    const detail = `With the defaults of its ARGs, FROM ${image} becomes '${text}', which is no image`;
    return [{ rule: 'InvalidDefaultArgInFrom', detail, location }];
  });
}

function wrongPlatform(
  reference: string,
  wanted: string,
  image: BaseImage | undefined,
  location: SourceLocation,
): Finding[] {
  const expected = attempt(() => parsePlatform(wanted));
  const actual = image && attempt(() => parsePlatform(image.platform));
  if (expected === undefined || actual === undefined) return [];
  if (expected.os === actual.os && expected.architecture === actual.architecture) return [];
  const detail = `Image ${reference} is for ${formatPlatform(actual)}, but ${formatPlatform(expected)} is built`;
  return [{ rule: 'InvalidBaseImagePlatform', detail, location }];
}

/** Base images for another platform. */
export function baseImages(context: CheckContext): Finding[] {
  return context.stages.flatMap((stage: Stage): Finding[] => {
    const base = getBase(context, stage);
    if (base?.kind !== 'image') return [];
    return wrongPlatform(base.reference, base.platform, base.image, stage.from.location);
  });
}

/** COPY --from an image for another platform. */
export function copiedImages({ context, instruction, location }: Visit): Finding[] {
  const { options } = context;
  const reference = instruction.flags.find(({ name }) => name === 'from')?.value ?? '';
  const isImage =
    instruction.kind === 'copy' &&
    reference !== '' &&
    reference !== 'scratch' &&
    stageByReference(context, reference) === undefined;
  if (!isImage) return [];
  const image = options.baseImage?.(reference, options.platform);
  return wrongPlatform(reference, options.platform, image, location);
}
