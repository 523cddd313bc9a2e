/** What a case is made of, and what comes out of it: see README.md beside this file. */
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';

/** case.json */
export interface Case {
  /** The behaviour, in one sentence. */
  readonly what: string;
  /** Flags of `build` that both tools have. */
  readonly args?: readonly string[];
  /** Flags for wiac alone. */
  readonly wiac?: readonly string[];
  /** The build must fail like this. */
  readonly error?: { readonly exitCode: number; readonly message: string };
  /** Why buildah can't be asked. */
  readonly withoutBuildah?: string;
  /** Where wiac means to differ from buildah: paths, or `config.Field`. */
  readonly differs?: readonly { readonly at: string; readonly sentence: string }[];
}

/** What an image is made of. */
export interface Made {
  readonly files: ReadonlyMap<string, string>;
  readonly config: Readonly<Record<string, unknown>>;
}

const ROOT = join(process.cwd(), 'test/conformance');

/** Folders of cases. */
export const GROUPS: readonly string[] = readdirSync(ROOT).filter((name) => !name.includes('.'));

/** Folders of the cases of a group, by their names below this directory. */
export function listCases(group: string): string[] {
  return readdirSync(join(ROOT, group))
    .map((name) => `${group}/${name}`)
    .filter((name) => lstatSync(join(ROOT, name)).isDirectory());
}

/** The folder of a case. */
export function folderOf(name: string): string {
  return join(ROOT, name);
}

/** Files of the base image say nothing about a case; what a RUN mounts is not part of it. */
const NOT_OURS = /^(bin|dev|proc|sys|run)\//;

const CONFIG_FIELDS = [
  'User',
  'ExposedPorts',
  'Env',
  'Entrypoint',
  'Cmd',
  'Volumes',
  'WorkingDir',
  'Labels',
  'StopSignal',
  'Healthcheck',
  'OnBuild',
  'Shell',
] as const;

function isEmpty(value: unknown): boolean {
  return (
    value === undefined ||
    value === null ||
    value === '' ||
    (typeof value === 'object' && Object.keys(value).length === 0)
  );
}

/** The fields that say something, in one order. */
export function pickConfig(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    CONFIG_FIELDS.filter((field) => !isEmpty(config[field]))
      // BuildKit and wiac write the default working directory down, buildah does not.
      .filter((field) => field !== 'WorkingDir' || config[field] !== '/')
      .map((field) => [field, config[field]]),
  );
}

export function readCase(name: string): Case {
  return JSON.parse(readFileSync(join(folderOf(name), 'case.json'), 'utf8')) as Case;
}

/** Copies the context and runs setup.sh in it, for what git does not keep: modes, owners, xattrs. */
export async function prepareContext(name: string, target: string): Promise<string> {
  const folder = folderOf(name);
  const context = join(target, 'context');
  mkdirSync(context);
  const source = join(folder, 'context');
  if (existsSync(source)) cpSync(source, context, { recursive: true, verbatimSymlinks: true });
  cpSync(join(folder, 'Dockerfile'), join(context, 'Dockerfile'));
  const setup = join(folder, 'setup.sh');
  if (existsSync(setup)) await execa('bash', ['-eu', setup], { cwd: context });
  return context;
}

/** What is told of the files of an image, without those `without` and below them. */
export function ours(
  files: ReadonlyMap<string, string>,
  without: readonly string[] = [],
): string[] {
  return [...files]
    .filter(([path]) => !NOT_OURS.test(path))
    .filter(([path]) => !without.some((at) => path === at || path.startsWith(`${at}/`)))
    .map(([path, description]) => `${path} ${description}`);
}
