/** `wiac imagetools`: indexes of several images, and images that are elsewhere. */
import { openManifests } from '../engine/images/open-manifest.js';
import { combine, getDescriptor } from '../imagetools/combine.js';
import type { OpenPart } from '../imagetools/create.js';
import { openPart, putCombined } from '../imagetools/create.js';
import { describeManifest, manifestFields } from '../imagetools/describe-manifest.js';
import type { Details } from '../imagetools/details.js';
import { getDetails } from '../imagetools/details.js';
import { parseSource, parseSourceFile, placeSources } from '../imagetools/sources.js';
import { parseAnnotation } from '../oci/annotations.js';
import { getMessage } from '../oci/image-error.js';
import { parseManifest } from '../oci/parse-manifest.js';
import { formatReference, parseReference } from '../oci/reference.js';
import type { ManifestSource } from '../oci/resolve.js';
import { fillTemplate } from '../ui/template.js';
import { UsageError } from '../util/errors.js';
import { hintOf } from '../util/file-trouble.js';
import { readNamedFile } from '../util/regular-file.js';
import { interruptibly } from './abort-on-signal.js';
import { wantedPlatforms } from './dockerfile-input.js';
import { writeResultFile } from './result-file.js';

/** Options of `wiac imagetools create`, as commander gives them. */
export interface CreateOptions {
  readonly tag: readonly string[];
  readonly file: readonly string[];
  readonly annotation: readonly string[];
  readonly platform: readonly string[];
  readonly append: boolean;
  readonly dryRun: boolean;
  readonly preferIndex: 'true' | 'false';
  readonly metadataFile?: string;
  readonly progress: string;
}

function readSourceFile(file: string): string {
  try {
    return readNamedFile(file === '-' ? 0 : file).toString();
  } catch (cause) {
    throw new UsageError(`--file ${file}: ${getMessage(cause)}`, { cause, hint: hintOf(cause) });
  }
}

/** What the image is made of, in its order. @throws UsageError, ImageError */
function getSources(sources: readonly string[], options: CreateOptions) {
  const { append, tag, file, dryRun } = options;
  const [first] = tag;
  if (!dryRun && first === undefined)
    throw new UsageError('the image needs a name', {
      hint: 'give -t REF, or --dry-run to see what it would be',
    });
  if (append && first === undefined)
    throw new UsageError('--append needs the name of what is there', { hint: 'give -t REF' });
  const written = [
    ...(append && first !== undefined ? [parseSource(first)] : []),
    ...file.map((path) => parseSourceFile(readSourceFile(path), path)),
    ...sources.map(parseSource),
  ];
  if (written.length === 0)
    throw new UsageError('no source is given', {
      hint: 'name images: wiac imagetools create -t REF SOURCE...',
    });
  return placeSources(written, tag.map(parseReference));
}

/** `wiac imagetools create SOURCE...`. @throws UsageError, ImageError, UnsupportedError */
export function createCommand(sources: readonly string[], options: CreateOptions): Promise<void> {
  const targets = options.tag.map(parseReference);
  const placed = getSources(sources, options);
  const combineOptions = {
    annotations: options.annotation.flatMap(parseAnnotation),
    platforms: options.platform.flatMap(wantedPlatforms),
    preferIndex: options.preferIndex === 'true',
  };
  const opened: ManifestSource[] = [];
  return interruptibly(async () => {
    try {
      const parts: OpenPart[] = [];
      for (const source of placed) {
        const manifests = openManifests(source.reference);
        opened.push(manifests);
        parts.push(await openPart(source, manifests));
      }
      const combined = combine(parts, combineOptions);
      const descriptor = getDescriptor(combined);
      if (options.dryRun) process.stdout.write(`${Buffer.from(combined.bytes)}\n`);
      else
        for (const target of targets) {
          await putCombined(combined, parts, target);
          if (!['none', 'quiet'].includes(options.progress))
            process.stderr.write(`wiac: ${formatReference(target)} is ${descriptor.digest}\n`);
        }
      if (options.metadataFile === undefined) return;
      const metadata = {
        'containerimage.descriptor': descriptor,
        'containerimage.digest': descriptor.digest,
        ...(targets.length > 0 ? { 'image.name': targets.map(formatReference).join(',') } : {}),
      };
      const text = `${JSON.stringify(metadata, null, 2)}\n`;
      await writeResultFile('--metadata-file', options.metadataFile, text);
    } finally {
      await Promise.all(opened.map((source) => source.close()));
    }
  });
}

/** What buildx has where no --format is given. */
const MANIFEST_ALONE = /^\s*\{\{\s*\.Manifest\s*\}\}\s*$/;

/** What a template mentions, of what takes further requests. */
function mentionedIn(format: string): (field: keyof Details) => boolean {
  const all = /[{(\s]\.[\s})]/.test(format);
  return (field) => all || new RegExp(`\\.${field}\\b`, 'i').test(format);
}

/** `wiac imagetools inspect REF`. @throws UsageError, ImageError, UnsupportedError */
export function inspectRemoteCommand(
  text: string,
  { raw, format }: { readonly raw: boolean; readonly format?: string },
): Promise<void> {
  if (raw && format !== undefined) throw new UsageError('--raw and --format contradict each other');
  const reference = parseReference(text);
  const source = openManifests(reference);
  return interruptibly(async () => {
    try {
      const { descriptor: found, bytes } = await source.root();
      if (raw) return void process.stdout.write(bytes);
      const { reader } = source;
      const manifest = parseManifest(bytes, found.mediaType, reader.title);
      const { mediaType } = manifest;
      const named = {
        name: formatReference(reference),
        descriptor: { mediaType, digest: found.digest, size: found.size },
        manifest,
      };
      if (format === undefined || MANIFEST_ALONE.test(format))
        return void process.stdout.write(describeManifest(named));
      const details = await getDetails(reader, named, mentionedIn(format));
      const fields = { Name: named.name, Manifest: manifestFields(named), ...details };
      process.stdout.write(`${fillTemplate(format, fields, { pretty: true, anyCase: true })}\n`);
    } finally {
      await source.close();
    }
  });
}
