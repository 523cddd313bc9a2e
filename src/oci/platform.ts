/**
 * Platforms: names, and the choice of an index's manifest. Variants follow the rules of
 * containerd's platforms package, which Docker and BuildKit use: an ARM CPU runs the code of
 * lower variants, and so does an amd64 CPU of a higher microarchitecture level. Another
 * architecture is never chosen (arm for arm64, 386 for amd64): many machines cannot run it.
 */
import { arch } from 'node:os';
import { ImageError } from './image-error.js';
import type { Descriptor, Platform } from './resolved-image.js';

const ARCHITECTURES: ReadonlyMap<string, readonly [architecture: string, variant?: string]> =
  new Map([
    ['x86_64', ['amd64']],
    ['x86-64', ['amd64']],
    ['x64', ['amd64']],
    ['i386', ['386']],
    ['i686', ['386']],
    ['ia32', ['386']],
    ['aarch64', ['arm64']],
    ['armhf', ['arm', 'v7']],
    ['armel', ['arm', 'v6']],
  ] as const);

/** What may stand alone; the values of GOARCH that containers are made for. */
const KNOWN_ARCHITECTURES: ReadonlySet<string> = new Set([
  ...['386', 'amd64', 'arm', 'arm64', 'loong64', 'mips', 'mips64', 'mips64le', 'mipsle'],
  ...['ppc64', 'ppc64le', 'riscv64', 's390x', 'wasm'],
]);

/** Names that are a system when they stand alone, and no architecture. */
const SYSTEMS: ReadonlySet<string> = new Set(['linux', 'windows', 'darwin', 'macos', 'freebsd']);

/** Can it stand in the name of a platform? */
export function isPlatformPart(text: unknown): text is string {
  return typeof text === 'string' && /^[A-Za-z0-9_.-]+$/.test(text);
}

/**
 * The one spelling of a platform: aliases resolved, lower case, default variants left out
 * (arm64's v8, amd64's v1) or filled in (arm's v7).
 */
export function normalisePlatform(platform: Platform): Platform {
  const { variant: given, ...rest } = platform;
  const named = platform.architecture.toLowerCase();
  const [architecture, implied] = ARCHITECTURES.get(named) ?? [named];
  const raw = (given === undefined || given === '' ? implied : given)?.toLowerCase();
  const spelled = raw !== undefined && /^\d/.test(raw) ? `v${raw}` : raw;
  const variant = canonicalVariant(architecture, spelled);
  return {
    ...rest,
    os: platform.os.toLowerCase() === 'macos' ? 'darwin' : platform.os.toLowerCase(),
    architecture,
    ...(variant === undefined ? {} : { variant }),
  };
}

function canonicalVariant(architecture: string, variant: string | undefined): string | undefined {
  if (architecture === 'arm') return variant ?? 'v7';
  if (architecture === 'arm64' && (variant === 'v8' || variant === 'v8.0')) return undefined;
  if (architecture === 'amd64' && variant === 'v1') return undefined;
  return variant;
}

/**
 * Reads `os/architecture[/variant]`, an architecture or an os alone, or `local` for this machine's.
 * @throws ImageError
 */
export function parsePlatform(text: string): Platform {
  const parts = text.split('/');
  const valid = parts.length <= 3 && parts.every(isPlatformPart);
  if (!valid)
    throw new ImageError(`"${text}" is not a platform`, {
      hint: 'write os/architecture or os/architecture/variant, for example linux/arm64',
    });
  const [first = '', second, variant] = parts;
  if (first.toLowerCase() === 'local' && second === undefined) return hostPlatform();
  if (second === undefined && SYSTEMS.has(first.toLowerCase()))
    return normalisePlatform({ os: first, architecture: hostPlatform().architecture });
  if (second === undefined) {
    const platform = normalisePlatform({ os: 'linux', architecture: first });
    if (KNOWN_ARCHITECTURES.has(platform.architecture)) return platform;
    throw new ImageError(`"${text}" is neither an operating system nor an architecture`, {
      hint: 'write os/architecture or os/architecture/variant, for example linux/arm64',
    });
  }
  return normalisePlatform({
    os: first,
    architecture: second,
    ...(variant === undefined ? {} : { variant }),
  });
}

/** `os/architecture[/variant]`. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform;
  return [os, architecture, ...(variant === undefined || variant === '' ? [] : [variant])].join(
    '/',
  );
}

/** Platform of this machine's containers. */
export function hostPlatform(): Platform {
  return normalisePlatform({ os: 'linux', architecture: arch() });
}

/** Level of a variant: 7 for v7, 8.2 for v8.2; the default variant's for undefined. */
function level(architecture: string, variant: string | undefined): number | undefined {
  if (variant === undefined) return architecture === 'arm64' ? 8 : 1;
  const found = /^v(\d+)(?:\.(\d+))?$/.exec(variant);
  return found === null ? undefined : Number(found[1]) + Number(found[2] ?? 0) / 100;
}

/**
 * How well an image fits a platform.
 * @returns undefined when it cannot run there, else a number: 0 is exact, less is worse
 */
export function platformFit(wanted: Platform, offered: Platform): number | undefined {
  const want = normalisePlatform(wanted);
  const offer = normalisePlatform(offered);
  if (want.os !== offer.os || want.architecture !== offer.architecture) return undefined;
  if (want.variant === offer.variant) return 0;
  if (!['arm', 'arm64', 'amd64'].includes(want.architecture)) return undefined;
  const wantLevel = level(want.architecture, want.variant);
  const offerLevel = level(offer.architecture, offer.variant);
  if (wantLevel === undefined || offerLevel === undefined || offerLevel > wantLevel)
    return undefined;
  return offerLevel - wantLevel;
}

/** Whether the descriptor is that of an attestation, as BuildKit puts them into an index. */
export function isAttestation(descriptor: Descriptor): boolean {
  const { platform, annotations } = descriptor;
  return (
    annotations?.['vnd.docker.reference.type'] === 'attestation-manifest' ||
    (platform?.os === 'unknown' && platform.architecture === 'unknown')
  );
}

/**
 * Chooses the manifest of an index for a platform: the best variant, and of equals the first.
 * An entry without a platform is taken when no other fits: a nested index, or an index of one
 * image.
 * @param where the image, for the message
 * @throws ImageError that lists the platforms there are
 */
export function choosePlatform(
  manifests: readonly Descriptor[],
  platform: Platform,
  where: string,
): Descriptor {
  const images = manifests.filter((descriptor) => !isAttestation(descriptor));
  let best: { descriptor: Descriptor; fit: number } | undefined;
  for (const descriptor of images) {
    if (descriptor.platform === undefined) continue;
    const fit = platformFit(platform, descriptor.platform);
    if (fit !== undefined && (best === undefined || fit > best.fit)) best = { descriptor, fit };
  }
  const chosen = best?.descriptor ?? images.find((descriptor) => descriptor.platform === undefined);
  if (chosen !== undefined) return chosen;
  const names = images.flatMap((item) => (item.platform ? [formatPlatform(item.platform)] : []));
  throw new ImageError(
    `${where} has no image for ${formatPlatform(platform)}, only for ${
      names.length === 0 ? 'no platform at all' : [...new Set(names)].join(', ')
    }`,
    { reference: where, hint: 'choose one of them with --platform' },
  );
}
