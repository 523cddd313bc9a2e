/** Files of several kinds, with what each says as one definition. */

import type { Body } from '../hcl/hcl-ast.js';
import { fileSource } from '../hcl/hcl-source.js';
import { parseHcl } from '../hcl/parse-body.js';
import { BakeFileError } from '../util/errors.js';
import { inTime } from '../util/in-time.js';
import type { BakeWorld } from './bake-scope.js';
import type { Definition } from './bake-target.js';
import type { ComposeNode } from './compose-yaml.js';
import { parseDotEnv } from './dot-env.js';
import type { LookUp } from './interpolate.js';
import type { DefinitionFile, OtherFiles } from './load-compose.js';
import type { ComposeOptions } from './read-compose.js';
import { parseBakeFile, readBodies } from './read-hcl.js';

/** What a definition is made of. */
export interface DefinitionInput {
  /** In their order. */
  readonly files: readonly DefinitionFile[];
  /** `.env`, if there is one: for compose files. */
  readonly dotEnv: DefinitionFile | undefined;
  readonly world: BakeWorld;
  /** What compose files include and extend. */
  readonly others: OtherFiles;
  readonly project?: ComposeOptions['project'];
  /** See readCompose. */
  readonly isActive?: ((profiles: readonly string[]) => boolean) | undefined;
  /** How long it may take. ms */
  readonly patience?: number;
}

/** Functions that call others twice, lists of lists: a few lines can mean more work than there is time. ms */
const PATIENCE_MS = 20_000;

/** The variable that compose files have the name of their project in. */
const PROJECT_NAME = 'COMPOSE_PROJECT_NAME';

type FileKind = 'hcl' | 'json' | 'compose';

/** By its name, else by what is in it: standard input has none. */
function kindOf({ name, text }: DefinitionFile): FileKind {
  if (/\.ya?ml$/i.test(name)) return 'compose';
  if (/\.json$/i.test(name)) return 'json';
  if (/\.hcl$/i.test(name)) return 'hcl';
  if (/^\s*\{/.test(text)) return 'json';
  return /^services:/m.test(text) ? 'compose' : 'hcl';
}

function parseBody(file: DefinitionFile, kind: 'hcl' | 'json'): Body {
  const source = fileSource(file.name, file.text);
  try {
    return parseBakeFile(source, kind === 'json');
  } catch (error) {
    // HCL may be in a file with the name of JSON, as buildx takes it.
    if (kind !== 'json' || !(error instanceof BakeFileError) || /^\s*\{/.test(file.text))
      throw error;
    return parseHcl(source);
  }
}

/** YAML is loaded by those who have some. */
async function composeReader() {
  const [{ parseCompose }, { loadCompose }, { nameOfProject, readCompose }] = await Promise.all([
    import('./compose-yaml.js'),
    import('./load-compose.js'),
    import('./read-compose.js'),
  ]);
  /** The name may be in a file, and the other values of the files may have it in them. */
  const findName = (
    files: readonly DefinitionFile[],
    project: DefinitionInput['project'],
    lookUp: LookUp,
  ): string | undefined => {
    if (!project || !files.some(({ text }) => text.includes(PROJECT_NAME))) return undefined;
    const nodes = files.map(({ name, text }) =>
      parseCompose(
        name,
        text,
        (each) => (each === PROJECT_NAME ? 'x' : lookUp(each)),
        () => {},
      ),
    );
    return nameOfProject(project, nodes);
  };
  return (
    files: readonly DefinitionFile[],
    { dotEnv, world: { environment, home }, others, project, isActive }: DefinitionInput,
  ): Definition => {
    const known = dotEnv && parseDotEnv(dotEnv.name, dotEnv.text, (name) => environment[name]);
    const given: LookUp = (name) => environment[name] ?? known?.get(name);
    const ownName = findName(files, project, given);
    const lookUp: LookUp = (name) => (name === PROJECT_NAME && ownName) || given(name);
    const unset = new Set<string>();
    const onUnset = (name: string) => unset.add(name);
    const nodes = files.map(
      ({ name, text }): ComposeNode => parseCompose(name, text, lookUp, onUnset),
    );
    const merged = loadCompose(nodes, lookUp, onUnset, others);
    const definition = readCompose(merged, { lookUp, project, home }, isActive);
    const warnings = [...unset].map((name) => `the variable ${name} is not set: it is empty`);
    return { ...definition, warnings: [...warnings, ...definition.warnings] };
  };
}

/**
 * What the files say, as buildx merges them: compose files first, then the others.
 * @throws BakeFileError, UnsupportedError
 */
export async function readDefinition(input: DefinitionInput): Promise<Definition> {
  const kinds = input.files.map((file) => ({ file, kind: kindOf(file) }));
  const readCompose = kinds.some(({ kind }) => kind === 'compose')
    ? await composeReader()
    : undefined;
  const fail = (message: string): never => {
    const [file = ''] = input.files.map(({ name }) => name);
    throw new BakeFileError(message, { file, line: 1, column: 1, endLine: 1 });
  };
  try {
    const done = inTime(input.patience ?? PATIENCE_MS, () => readAll(kinds, input, readCompose));
    return done?.value ?? fail('it takes too long to find out what the files mean');
  } catch (error) {
    // Of the stack, or of the length of a string.
    if (!(error instanceof RangeError)) throw error;
    return fail('the values of the files are nested too deeply, or too long');
  }
}

function readAll(
  kinds: readonly { readonly file: DefinitionFile; readonly kind: FileKind }[],
  input: DefinitionInput,
  readCompose: Awaited<ReturnType<typeof composeReader>> | undefined,
): Definition {
  const compose = kinds.filter(({ kind }) => kind === 'compose').map(({ file }) => file);
  const bodies = kinds.flatMap(({ file, kind }) =>
    kind === 'compose' ? [] : [parseBody(file, kind)],
  );
  const parts = [
    ...(readCompose ? [readCompose(compose, input)] : []),
    readBodies(bodies, input.world),
  ];
  return {
    targets: parts.flatMap(({ targets }) => targets),
    groups: parts.flatMap(({ groups }) => groups),
    variables: parts.flatMap(({ variables }) => variables),
    warnings: parts.flatMap(({ warnings }) => warnings),
    unbuilt: parts.flatMap(({ unbuilt }) => unbuilt),
  };
}
