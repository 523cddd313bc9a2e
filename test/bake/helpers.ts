/** What `wiac bake --print` would print, without any file or process. */
import type { BakeWorld } from '../../src/bake/bake-scope.js';
import type { Definition } from '../../src/bake/bake-target.js';
import { printedSelection } from '../../src/bake/print-targets.js';
import type { DefinitionInput } from '../../src/bake/read-definition.js';
import { readDefinition } from '../../src/bake/read-definition.js';
import type { Selection } from '../../src/bake/resolve-targets.js';
import { mergeNamed, selectTargets } from '../../src/bake/resolve-targets.js';
import { parseOverrides } from '../../src/bake/target-overrides.js';

/** What may be given besides the files. */
export interface Given {
  readonly wanted?: readonly string[];
  readonly set?: readonly string[];
  readonly environment?: BakeWorld['environment'];
  readonly dotEnv?: string;
  /** What compose files may include and extend. */
  readonly others?: Readonly<Record<string, string>>;
  readonly home?: string;
  readonly project?: DefinitionInput['project'];
  readonly isActive?: DefinitionInput['isActive'];
  /** See DefinitionInput. */
  readonly patience?: number;
}

/** Files by their names; a text alone is a docker-bake.hcl. */
export type Files = string | Readonly<Record<string, string>>;

function otherFiles(files: Readonly<Record<string, string>>): DefinitionInput['others'] {
  const readIfThere = (name: string) => {
    const text = files[name];
    return text === undefined ? undefined : { name, text };
  };
  return {
    readIfThere,
    read: (name) => {
      const file = readIfThere(name);
      if (!file) throw new Error(`there is no ${name}`);
      return file;
    },
  };
}

/** What the files say. */
export function define(files: Files, given: Given = {}): Promise<Definition> {
  const named = typeof files === 'string' ? { 'docker-bake.hcl': files } : files;
  return readDefinition({
    files: Object.entries(named).map(([name, text]) => ({ name, text })),
    dotEnv: given.dotEnv === undefined ? undefined : { name: '.env', text: given.dotEnv },
    project: given.project,
    isActive: given.isActive,
    // On a machine with other work that counts values until there are too many takes long.
    patience: given.patience ?? 100_000,
    others: otherFiles(given.others ?? {}),
    world: {
      environment: given.environment ?? {},
      commandContext: 'cwd://',
      platform: 'linux/amd64',
      now: () => new Date(0),
      uuid: () => '',
      home: given.home,
    },
  });
}

/** The targets that are asked for. */
export async function select(files: Files, given: Given = {}): Promise<Selection> {
  const named = mergeNamed(await define(files, given));
  const targets = [...named.targets.values()];
  const overrides = parseOverrides(given.set ?? [], targets, given.environment ?? {});
  return selectTargets(named, given.wanted ?? [], overrides);
}

/** As --print has it. */
export async function print(files: Files, given: Given = {}): Promise<unknown> {
  return JSON.parse(JSON.stringify(printedSelection(await select(files, given))));
}

/** The fields of the one target that is asked for. */
export async function fieldsOf(files: Files, given: Given = {}): Promise<unknown> {
  const { target } = (await print(files, given)) as { target: Record<string, unknown> };
  const [only] = Object.values(target);
  return only;
}
