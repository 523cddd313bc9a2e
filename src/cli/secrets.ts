/** --secret and --ssh: what a build may show to its steps without it entering a key or a layer. */
import type { GetSecret } from '../executor/get-secret.js';
import type { AgentSource } from '../sources/agent-source.js';
import { attributeMap, parseAttributes, refusing } from '../util/csv-attributes.js';
import { UsageError } from '../util/errors.js';
import { hintOf } from '../util/file-trouble.js';
import { awaitNamedFile } from '../util/regular-file.js';
import { statNamed } from '../util/stat-named.js';
import { environmentText } from './given-text.js';

type Secret = { readonly file: string } | { readonly variable: string };

function parseSecret(text: string): [string, Secret] {
  const hint = 'write --secret id=NAME,src=FILE or --secret id=NAME,env=VARIABLE';
  const refuse = refusing('--secret', text, hint);
  const fields = attributeMap(parseAttributes(text, refuse), '');
  const id = fields.get('id') ?? '';
  const type = fields.get('type');
  const source = fields.get('src') ?? fields.get('source');
  // Of type env the source is the name of a variable.
  const file = type === 'env' ? undefined : source;
  const variable = fields.get('env') ?? (type === 'env' ? source : undefined);
  const known = [...fields.keys()].every((name) =>
    ['id', 'src', 'source', 'env', 'type'].includes(name),
  );
  const isType = type === undefined || type === 'file' || type === 'env';
  const both = source !== undefined && fields.has('env');
  if (id === '' || !known || !isType || both || (type === 'file' && variable !== undefined)) {
    return refuse('not understood');
  }
  if (file !== undefined) return [id, { file }];
  if (variable !== undefined) return [id, { variable }];
  if (type === 'env') return [id, { variable: id }];
  if (type === 'file') return [id, { file: id }];
  // As docker build: without a source the variable of that name, or else the file.
  return [id, process.env[id] === undefined ? { file: id } : { variable: id }];
}

/** sh starts wiac (src/start/launch.sh), and passes on variables with such names only. */
const SHELL_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const ODD_NAME_HINT =
  'sh starts wiac and drops variables whose names are not letters, digits and _: choose another name, or src=FILE';

async function readSecret(id: string, secret: Secret, signal: AbortSignal): Promise<Buffer> {
  if ('variable' in secret) {
    const value = environmentText(secret.variable);
    if (value !== undefined) return Buffer.from(value);
    throw new UsageError(`--secret id=${id}: the variable ${secret.variable} is not set`, {
      hint: SHELL_NAME.test(secret.variable) ? undefined : ODD_NAME_HINT,
    });
  }
  try {
    return await awaitNamedFile(secret.file, signal);
  } catch (error) {
    signal.throwIfAborted();
    const { message } = error as Error;
    throw new UsageError(`--secret id=${id}: ${secret.file}: ${message}`, {
      cause: error,
      hint: hintOf(error),
    });
  }
}

/** `ID`, `ID=SOCKET`, or `ID=KEY,KEY...` as docker build has it. */
function parseSsh(text: string): [string, AgentSource] {
  const at = text.indexOf('=');
  const id = at === -1 ? text : text.slice(0, at);
  const value = at === -1 ? process.env.SSH_AUTH_SOCK : text.slice(at + 1);
  if (value === undefined || value === '') {
    throw new UsageError(`--ssh ${text}: $SSH_AUTH_SOCK is not set`, {
      hint: 'start an ssh-agent, or write --ssh ID=SOCKET or --ssh ID=KEYFILE',
    });
  }
  const paths = value.split(',');
  const kinds = paths.map((path) => statNamed(path));
  const missing = paths.find((_, index) => kinds[index] === undefined);
  if (missing !== undefined) throw new UsageError(`--ssh ${text}: ${missing} does not exist`);
  const [only] = paths;
  if (only !== undefined && paths.length === 1 && kinds[0]?.isSocket())
    return [id, { socket: only }];
  if (kinds.every((stats) => stats?.isFile())) return [id, { keys: paths }];
  throw new UsageError(`--ssh ${text}: neither the socket of an agent nor key files`, {
    hint: 'write --ssh ID=SOCKET or --ssh ID=KEYFILE[,KEYFILE...]',
  });
}

/** A wrong path is told at once, as with docker build, and not after an hour by the step that asks. */
function requireFile([id, secret]: [string, Secret]): void {
  if (!('file' in secret) || statNamed(secret.file)) return;
  throw new UsageError(`--secret id=${id}: ${secret.file} does not exist`, {
    hint: 'write --secret id=NAME,src=FILE or --secret id=NAME,env=VARIABLE',
  });
}

/** The agents of --ssh by their ids. @throws UsageError */
export function parseAgents(ssh: readonly string[]): (id: string) => AgentSource | undefined {
  const agents = new Map(ssh.map(parseSsh));
  return (id) => agents.get(id);
}

/**
 * @throws UsageError for options that can't be understood and files that are not there; secrets are
 *   read when they are needed
 */
export function parseSecrets(secrets: readonly string[]): GetSecret {
  const known = new Map(secrets.map(parseSecret));
  for (const secret of known) requireFile(secret);
  const read = new Map<string, Promise<Buffer>>();
  return (id, signal) => {
    const secret = known.get(id);
    // A pipe can be read only once, and all steps are to see the same.
    const begun = read.get(id) ?? (secret && readSecret(id, secret, signal));
    if (begun) read.set(id, begun);
    begun?.catch(() => read.delete(id));
    return begun;
  };
}
