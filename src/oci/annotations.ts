/**
 * Annotations of --annotation and of an output's `annotation` parameters (image-spec,
 * annotations.md), and which part of an image they go to: the syntax is buildx's.
 */
import { UsageError } from '../util/errors.js';
import { formatPlatform, parsePlatform } from './platform.js';

const TARGETS = ['manifest', 'index', 'manifest-descriptor', 'index-descriptor'] as const;

/** Part of an image that can carry annotations. */
export type AnnotationTarget = (typeof TARGETS)[number];

/** One annotation of one part. */
export interface Annotation {
  readonly target: AnnotationTarget;
  /** Only for the image of this platform; undefined: for all. */
  readonly platform: string | undefined;
  readonly key: string;
  readonly value: string;
}

function parseTarget(text: string, whole: string): Pick<Annotation, 'target' | 'platform'> {
  const [, name = '', platform] = /^([^[]*)(?:\[(.*)\])?$/.exec(text) ?? [];
  const target = TARGETS.find((item) => item === name);
  if (target === undefined)
    throw new UsageError(`--annotation ${whole}: ${text} is no part of an image`, {
      hint: `use ${TARGETS.join(', ')}`,
    });
  return {
    target,
    platform: platform === undefined ? undefined : formatPlatform(parsePlatform(platform)),
  };
}

/**
 * Reads `[TARGET[PLATFORM],...:]key=value`; without a target it is the manifest.
 * @throws UsageError
 */
export function parseAnnotation(text: string): Annotation[] {
  const equals = text.indexOf('=');
  const left = equals === -1 ? text : text.slice(0, equals);
  // Keys are domain names backwards: a colon can only end the targets.
  const colon = left.indexOf(':');
  const key = left.slice(colon + 1);
  if (equals === -1 || key === '')
    throw new UsageError(`--annotation ${text}: it is no key=value`, {
      hint: 'write key=value, or manifest:key=value, index:key=value',
    });
  const value = text.slice(equals + 1);
  const targets = colon === -1 ? ['manifest'] : left.slice(0, colon).split(',');
  return targets.map((target) => ({ ...parseTarget(target, text), key, value }));
}

/** The annotations of one part of the image for one platform; undefined when there are none. */
export function getAnnotations(
  annotations: readonly Annotation[],
  target: AnnotationTarget,
  platform?: string,
): Record<string, string> | undefined {
  const own = annotations.filter(
    (item) => item.target === target && (item.platform === undefined || item.platform === platform),
  );
  if (own.length === 0) return undefined;
  return Object.fromEntries(own.map(({ key, value }) => [key, value]));
}
