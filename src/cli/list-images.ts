/** `wiac images` */

import { createdOf } from '../engine/exports/image-history.js';
import { matchPath } from '../fs/select/gomatch.js';
import { familiarReference, parseRegistryReference } from '../oci/reference.js';
import {
  allImages,
  allNames,
  familiarName,
  findImage,
  imageById,
} from '../store/images/store-images.js';
import { findLayer } from '../store/layers/find-layers.js';
import type { ImageRecord } from '../store/records.js';
import type { Store } from '../store/store.js';
import { formatAge, formatBytes, formatTable } from '../ui/format.js';
import { fillTemplate, isTemplate } from '../ui/template.js';
import { UsageError } from '../util/errors.js';
import { requireImage } from './find-image.js';
import { withStore } from './with-store.js';

/** Options of `wiac images`, as commander gives them. */
export interface ImagesOptions {
  readonly all: boolean;
  readonly quiet: boolean;
  readonly digests: boolean;
  readonly trunc: boolean;
  readonly filter: readonly string[];
  readonly format: string;
}

/** One line; an image with two names has two. */
interface Row {
  /** Undefined for an image that lost its name to another one. */
  readonly name: string | undefined;
  readonly image: ImageRecord;
  readonly bytes: number;
}

function allRows(store: Store): Row[] {
  const bytesOf = ({ layers }: ImageRecord) =>
    layers.reduce((sum, id) => sum + (findLayer(store, id)?.bytes ?? 0), 0);
  const named = [...allNames(store)].flatMap(({ name, id }): Row[] => {
    const image = imageById(store, id);
    return image ? [{ name, image, bytes: bytesOf(image) }] : [];
  });
  const known = new Set(named.map(({ image }) => image.id));
  const unnamed = [...allImages(store)].flatMap((image): Row[] =>
    known.has(image.id) ? [] : [{ name: undefined, image, bytes: bytesOf(image) }],
  );
  return [...named, ...unnamed];
}

/** Name and tag as people write them: without docker.io and library. */
function splitName(name: string): { repository: string; tag: string } {
  let familiar = name;
  try {
    familiar = familiarReference(parseRegistryReference(name));
  } catch {
    // A file or a layout that was pulled: it is shown as it was written.
  }
  const at = familiar.indexOf('@');
  const colon = familiar.indexOf(':', familiar.lastIndexOf('/') + 1);
  const end = at !== -1 ? at : colon !== -1 ? colon : familiar.length;
  return { repository: familiar.slice(0, end), tag: familiar.slice(end + 1) };
}

/** docker's rule: a pattern fits the whole name, or all of it but the tag. */
function fitsReference(name: string | undefined, pattern: string): boolean {
  if (name === undefined) return false;
  const { repository, tag } = splitName(name);
  const wanted = familiarName(pattern);
  return [name, `${repository}:${tag}`, repository].some((text) => matchPath(wanted, text));
}

function hasLabel({ config }: ImageRecord, wanted: string): boolean {
  const [key = '', ...value] = wanted.split('=');
  const label = config.Labels?.[key];
  return label !== undefined && (value.length === 0 || label === value.join('='));
}

type Filter = (row: Row) => boolean;

/** @throws UsageError for a filter that does not exist, NotFoundError */
function parseFilter(store: Store, text: string): Filter {
  const at = text.indexOf('=');
  const key = at === -1 ? text : text.slice(0, at);
  const value = text.slice(at + 1);
  if (at === -1 || value === '')
    throw new UsageError(`--filter ${text}: it is no KEY=VALUE`, {
      hint: "for example --filter reference='debian:*'",
    });
  switch (key) {
    case 'reference':
      return ({ name }) => fitsReference(name, value);
    case 'label':
      return ({ image }) => hasLabel(image, value);
    case 'dangling': {
      if (!['true', 'false'].includes(value))
        throw new UsageError(`--filter ${text}: it is neither true nor false`);
      return ({ name }) => (name === undefined) === (value === 'true');
    }
    case 'before':
    case 'since': {
      const other = createdOf(requireImage(store, value));
      return ({ image }) =>
        key === 'before' ? createdOf(image) < other : createdOf(image) > other;
    }
    default:
      throw new UsageError(`--filter ${text}: there is no filter ${key}`, {
        hint: 'use reference, label, dangling, before, since',
      });
  }
}

function selectRows(
  store: Store,
  reference: string | undefined,
  { all, filter }: ImagesOptions,
): Row[] {
  const filters = filter.map((text) => parseFilter(store, text));
  const withUnnamed = all || filter.some((text) => text.startsWith('dangling='));
  return allRows(store).filter((row) => {
    if (row.name === undefined && !withUnnamed) return false;
    // An id is as good as a name.
    const named =
      reference === undefined ||
      fitsReference(row.name, reference) ||
      (/^[0-9a-f]{12,64}$/.test(reference) && findImage(store, reference)?.id === row.image.id);
    return named && filters.every((fits) => fits(row));
  });
}

const SHORT = 12;

function shortId(id: string, trunc: boolean): string {
  return trunc ? id.slice('sha256:'.length, 'sha256:'.length + SHORT) : id;
}

function printTable(rows: readonly Row[], { digests, trunc }: ImagesOptions): string {
  const digest = (text: string) => (digests ? [text] : []);
  const head = ['NAME', ...digest('DIGEST'), 'ID', 'AGE', 'LAYERS', 'SIZE'];
  const cells = rows.map(({ name, image, bytes }) => [
    name ?? '<none>',
    ...digest(image.manifest ?? '<none>'),
    shortId(image.id, trunc),
    formatAge(Date.now() - createdOf(image)),
    String(image.layers.length),
    formatBytes(bytes),
  ]);
  return formatTable([head, ...cells]);
}

/** A row with the field names of docker images --format. */
function templateFields({ name, image, bytes }: Row, trunc: boolean): Record<string, string> {
  const { repository, tag } = name === undefined ? { repository: '', tag: '' } : splitName(name);
  const created = createdOf(image);
  return {
    ID: shortId(image.id, trunc),
    Name: name ?? '<none>',
    Repository: repository || '<none>',
    Tag: tag || '<none>',
    Digest: image.manifest ?? '<none>',
    Platform: image.platform,
    CreatedAt: new Date(created).toISOString(),
    CreatedSince: formatAge(Date.now() - created),
    Size: formatBytes(bytes),
  };
}

function jsonFields({ name, image, bytes }: Row) {
  const { id, layers, platform, manifest } = image;
  return {
    name: name ?? null,
    id,
    created: createdOf(image),
    layers: layers.length,
    bytes,
    platform,
    digest: manifest ?? null,
  };
}

/**
 * Prints names, ids, sizes.
 * @param reference only images whose name fits, as with docker images
 */
export function imagesCommand(
  reference: string | undefined,
  options: ImagesOptions,
): Promise<void> {
  const template = isTemplate(options.format, ['table', 'json']);
  return withStore((store) => {
    const rows = selectRows(store, reference, options);
    const { trunc, format } = options;
    const lines = (line: (row: Row) => string) =>
      process.stdout.write([...new Set(rows.map(line))].map((text) => `${text}\n`).join(''));
    if (options.quiet) lines(({ image }) => shortId(image.id, trunc));
    else if (template) lines((row) => fillTemplate(format, templateFields(row, trunc)));
    else if (format === 'json')
      process.stdout.write(`${JSON.stringify(rows.map(jsonFields), null, 2)}\n`);
    else process.stdout.write(printTable(rows, options));
  });
}
