/** `wiac images` */

import { getCreated } from '../engine/exports/image-history.js';
import { requireImage } from '../engine/images/find-image.js';
import { imageIdOrNone, manifestAtHand } from '../engine/images/settle-image-ids.js';
import { matchPath } from '../fs/select/gomatch.js';
import { familiarReference, parseRegistryReference } from '../oci/reference.js';
import { idStart } from '../store/images/image-ids.js';
import { allImages, allNames, familiarName, imageById } from '../store/images/store-images.js';
import { findLayer } from '../store/layers/find-layers.js';
import type { ImageRecord } from '../store/records.js';
import type { Store } from '../store/store.js';
import { formatAge, formatBytes, formatTable } from '../ui/format.js';
import { fillTemplate, isTemplate } from '../ui/template.js';
import { UsageError } from '../util/errors.js';
import type { SetExitCode } from './declare/options.js';
import { withStoreAsRoot } from './with-store.js';

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

/** A row with its id; undefined when layers of the image are gone. */
interface ListedRow extends Row {
  readonly id: string | undefined;
  /** Of the manifest, as far as the image was pulled, or its layers compressed for a push. */
  readonly digest: string | undefined;
}

async function listed(
  store: Store,
  row: Row,
  { digests, format }: ImagesOptions,
): Promise<ListedRow> {
  const isShown = digests || format !== 'table';
  return {
    ...row,
    id: await imageIdOrNone(store, row.image),
    digest: isShown ? await manifestAtHand(store, row.image) : undefined,
  };
}

function allRows(store: Store): Row[] {
  const getBytes = ({ layers }: ImageRecord) =>
    layers.reduce((sum, id) => sum + (findLayer(store, id)?.bytes ?? 0), 0);
  const named = [...allNames(store)].flatMap(({ name, id }): Row[] => {
    const image = imageById(store, id);
    return image ? [{ name, image, bytes: getBytes(image) }] : [];
  });
  const known = new Set(named.map(({ image }) => image.id));
  const unnamed = [...allImages(store)].flatMap((image): Row[] =>
    known.has(image.id) ? [] : [{ name: undefined, image, bytes: getBytes(image) }],
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
async function parseFilter(store: Store, text: string): Promise<Filter> {
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
      const other = getCreated(await requireImage(store, value));
      return ({ image }) =>
        key === 'before' ? getCreated(image) < other : getCreated(image) > other;
    }
    default:
      throw new UsageError(`--filter ${text}: there is no filter ${key}`, {
        hint: 'use reference, label, dangling, before, since',
      });
  }
}

/** An id works as a name. */
function fitsNameOrId({ name, id }: ListedRow, reference: string | undefined): boolean {
  if (reference === undefined || fitsReference(name, reference)) return true;
  const start = idStart(reference);
  return start !== undefined && id?.startsWith(start) === true;
}

async function selectRows(
  store: Store,
  reference: string | undefined,
  options: ImagesOptions,
): Promise<ListedRow[]> {
  const { all, filter } = options;
  const filters: Filter[] = [];
  for (const text of filter) filters.push(await parseFilter(store, text));
  const withUnnamed = all || filter.some((text) => text.startsWith('dangling='));
  const rows = allRows(store).filter(
    (row) => (row.name !== undefined || withUnnamed) && filters.every((fits) => fits(row)),
  );
  const found: ListedRow[] = [];
  for (const row of rows) found.push(await listed(store, row, options));
  return found.filter((row) => fitsNameOrId(row, reference));
}

const SHORT = 12;

function shortId({ id = '<none>' }: ListedRow, trunc: boolean): string {
  return trunc && id !== '<none>' ? id.slice('sha256:'.length, 'sha256:'.length + SHORT) : id;
}

function printTable(rows: readonly ListedRow[], { digests, trunc }: ImagesOptions): string {
  const digest = (text: string) => (digests ? [text] : []);
  const head = ['NAME', ...digest('DIGEST'), 'ID', 'AGE', 'LAYERS', 'SIZE'];
  const cells = rows.map((row) => [
    row.name ?? '<none>',
    ...digest(row.digest ?? '<none>'),
    shortId(row, trunc),
    formatAge(Date.now() - getCreated(row.image)),
    String(row.image.layers.length),
    formatBytes(row.bytes),
  ]);
  return formatTable([head, ...cells]);
}

/** A row with the field names of docker images --format. */
function templateFields(row: ListedRow, trunc: boolean): Record<string, string> {
  const { name, image, bytes } = row;
  const { repository, tag } = name === undefined ? { repository: '', tag: '' } : splitName(name);
  const created = getCreated(image);
  return {
    ID: shortId(row, trunc),
    Name: name ?? '<none>',
    Repository: repository || '<none>',
    Tag: tag || '<none>',
    Digest: row.digest ?? '<none>',
    Platform: image.platform,
    CreatedAt: new Date(created).toISOString(),
    CreatedSince: formatAge(Date.now() - created),
    Size: formatBytes(bytes),
  };
}

function jsonFields({ name, id, digest, image, bytes }: ListedRow) {
  const { layers, platform } = image;
  return {
    name: name ?? null,
    id: id ?? null,
    created: getCreated(image),
    layers: layers.length,
    bytes,
    platform,
    digest: digest ?? null,
  };
}

/**
 * Prints names, ids, sizes.
 * @param reference only images whose name fits, as with docker images
 */
export function imagesCommand(
  reference: string | undefined,
  options: ImagesOptions,
  setExitCode: SetExitCode,
): Promise<void> {
  const template = isTemplate(options.format, ['table', 'json']);
  // For the id wiac reads a layer that was never packed: all of its files have to be readable.
  return withStoreAsRoot(setExitCode, async (store) => {
    const rows = await selectRows(store, reference, options);
    const { trunc, format } = options;
    const lines = (line: (row: ListedRow) => string) =>
      process.stdout.write([...new Set(rows.map(line))].map((text) => `${text}\n`).join(''));
    if (options.quiet) lines((row) => shortId(row, trunc));
    else if (template) lines((row) => fillTemplate(format, templateFields(row, trunc)));
    else if (format === 'json')
      process.stdout.write(`${JSON.stringify(rows.map(jsonFields), null, 2)}\n`);
    else process.stdout.write(printTable(rows, options));
  });
}
