/**
 * Attestations as BuildKit and wiac put them into an index (moby/buildkit, attestation-storage.md): a
 * manifest of its own for each image, whose layers are in-toto statements. All of it comes from strangers.
 */
import { digestParts } from '../oci/blob-digest.js';
import { parseForeignJson } from '../oci/foreign-json.js';
import { ImageError } from '../oci/image-error.js';
import { isIndex, parseManifest } from '../oci/parse-manifest.js';
import type { BlobReader } from '../oci/resolve.js';
import { checkJsonSize, collect } from '../oci/resolve.js';
import type { Descriptor, ImageIndex } from '../oci/resolved-image.js';

/** Bytes of a statement: an SBOM of a large image has some megabytes. */
const MAX_STATEMENT = 64 << 20;
/** Statements about one image that are read. */
const MAX_STATEMENTS = 100;

/** What is said about an image. */
export interface CarriedStatement {
  readonly predicateType: string;
  /** Of any shape. */
  readonly predicate: unknown;
}

/** Is a predicate an SBOM that wiac can read? */
export function isSbom(predicateType: string): boolean {
  return predicateType === 'https://spdx.dev/Document';
}

/** Is it SLSA provenance, of any version? */
export function isProvenance(predicateType: string): boolean {
  return predicateType.startsWith('https://slsa.dev/provenance/');
}

/** The attestation manifest that is about an image of the same index. */
export function attestationFor(index: ImageIndex, image: Descriptor): Descriptor | undefined {
  return index.manifests.find(
    ({ annotations }) => annotations?.['vnd.docker.reference.digest'] === image.digest,
  );
}

type Members = Readonly<Record<string, unknown>>;

function members(value: unknown): Members {
  return typeof value === 'object' && value !== null ? (value as Members) : {};
}

/** A statement that names other images only is about none of this index. */
function isAbout({ subject }: Members, image: Descriptor): boolean {
  const { algorithm, hex } = digestParts(image.digest);
  const named = Array.isArray(subject) ? subject : [];
  return named.some((each) => members(members(each).digest)[algorithm] === hex);
}

async function readStatement(
  reader: BlobReader,
  layer: Descriptor,
  image: Descriptor,
): Promise<CarriedStatement> {
  const title = `the statement ${layer.digest} of ${reader.title}`;
  const bytes = await collect(await reader.openBlob(layer), MAX_STATEMENT, title);
  const statement = members(parseForeignJson(bytes, title));
  if (!isAbout(statement, image))
    throw new ImageError(`${title} is not about the image that carries it, ${image.digest}`, {
      reference: reader.title,
      hint: 'it was copied from another image, or the index was made by hand',
    });
  const { predicateType, predicate } = statement;
  return { predicateType: String(predicateType), predicate };
}

/**
 * Reads statements about an image.
 * @param attestation the manifest that has them
 * @param isWanted by the type of the predicate, as the manifest says it
 * @throws ImageError
 */
export async function readStatements(
  reader: BlobReader,
  attestation: Descriptor,
  image: Descriptor,
  isWanted: (predicateType: string) => boolean,
): Promise<CarriedStatement[]> {
  checkJsonSize(attestation, `manifest of ${reader.title}`);
  const bytes = await reader.readManifest(attestation);
  const manifest = parseManifest(bytes, attestation.mediaType, reader.title);
  if (isIndex(manifest)) return [];
  const layers = manifest.layers.filter(({ annotations }) =>
    isWanted(annotations?.['in-toto.io/predicate-type'] ?? ''),
  );
  const found: CarriedStatement[] = [];
  for (const layer of layers.slice(0, MAX_STATEMENTS))
    found.push(await readStatement(reader, layer, image));
  return found;
}
