/**
 * What is taken out of a record before it is written: passwords in URLs, and values that look like secrets by
 * their name or their form. What a step prints by itself stays, unless it is such a value of the command line.
 */
import { withoutCredentials } from '../../util/redact.js';
import type { HiddenTexts } from './hidden-texts.js';
import { hiddenTexts } from './hidden-texts.js';
import type { BuildHeader, BuildResultRow, RecordedEvent, Timed } from './record.js';

const GONE = '***';

/** As in the linter's rule SecretsUsedInArgOrEnv, and in names without underscores. */
const SECRET_NAME =
  /passw|secret|token|credential|(?:^|[_.-])(?:pw|pwd|pword|passphrase|auth|creds?|key|apikey)(?:$|[_.-])|(?:api|access|private)_?key/i;
/** Words that say that the value is about a secret, and none itself. */
const PUBLIC_NAME = /(?:^|[_.-])(?:public|pub|file|path|name|url)(?:$|[_.-])/i;

/** Forms that services give their tokens, keys and signed claims. */
const TOKENS =
  /\b(?:gh[a-z]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|npm_\w{30,}|xox[a-z]-[\w-]{10,}|A[KS]IA[0-9A-Z]{16}|sk-[\w-]{20,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,})|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?/g;

/** What all of them contain: to look for these takes a tenth of the time. */
const TOKEN_MARKS = ['gh', 'glpat-', 'npm_', 'xox', 'IA', 'sk-', 'eyJ', 'PRIVATE KEY'];

/** NAME=VALUE in an instruction or a message. A value that is itself a variable or a command tells nothing. */
const ASSIGNMENT = /\b([a-z_][\w.-]*)=(?!["']?\$)("[^"]*"|'[^']*'|[^\s,;"']+)/gi;

/** Members that say what a row is: no text of others. */
const OWN_MEMBERS = new Set(['type', 'kind', 'by', 'id', 'step', 'parent', 'key', 'state', 'what']);

/** Does the name of a variable sound as if its value were nobody's business? */
export function soundsSecret(name: string): boolean {
  return SECRET_NAME.test(name) && !PUBLIC_NAME.test(name);
}

/** The secrets that a variable holds: its value by its name, or what looks like tokens in it. */
function secretsIn(name: string, value: string): string[] {
  if (!soundsSecret(name)) return value.match(TOKENS) ?? [];
  return withLines(value);
}

function withLines(text: string): string[] {
  return [text, ...text.split('\n')].map((line) => line.trim());
}

function withoutTokens(text: string): string {
  return withoutCredentials(text).replace(TOKENS, GONE);
}

/** Options whose value is a login. */
const LOGINS = ['--creds'];
/** Options whose value names secrets and has none: `id=token,src=FILE`. */
const NAMES = ['--secret', '--ssh'];
/** Options whose value is a list of attributes. */
const LISTS = ['--cache-from', '--cache-to', '--output', '-o'];

const ATTRIBUTE = /"([\w.-]+)=(?:[^"]|"")*"|\b([\w.-]+)=[^,]*/g;

function redactValue(option: string, value: string): string {
  if (LOGINS.includes(option)) return GONE;
  if (NAMES.includes(option)) return value;
  if (LISTS.includes(option))
    return value.replace(ATTRIBUTE, (all, quoted?: string, bare = '') =>
      soundsSecret(quoted ?? bare) ? `${quoted ?? bare}=${GONE}` : all,
    );
  const [name = ''] = value.split('=', 1);
  return name !== value && soundsSecret(name) ? `${name}=${GONE}` : value;
}

/**
 * Options and their values as they may be kept, but for what a row writer takes out.
 * @param words of the command line, without the program
 */
export function redactCommand(words: readonly string[]): string[] {
  return words.map((word, at) => {
    const end = word.startsWith('--') ? word.indexOf('=') : -1;
    if (end === -1) return redactValue(words[at - 1] ?? '', word);
    const option = word.slice(0, end);
    return `${option}=${redactValue(option, word.slice(end + 1))}`;
  });
}

/** Variables with their values, as --build-arg, --env and --label give them. */
export type Variables = readonly Readonly<Record<string, string>>[];

function secretTexts(variables: Variables): HiddenTexts {
  const texts = hiddenTexts();
  texts.add(
    variables.flatMap((record) =>
      Object.entries(record).flatMap(([name, value]) => secretsIn(name, value)),
    ),
  );
  return texts;
}

function redactAssignments(text: string): string {
  return text.replace(ASSIGNMENT, (all, name: string) =>
    soundsSecret(name) ? `${name}=${GONE}` : all,
  );
}

/** In what a step is compared with. */
const VARIABLE = '"name":"env ';

/** The operand of a difference whose name is that of a secret variable. */
function isSecretOperand(value: unknown): value is { name: string } {
  const { kind, name } = Object(value) as { kind?: unknown; name?: unknown };
  const isVariable = kind === 'operand' || kind === 'withheld variable';
  return isVariable && typeof name === 'string' && soundsSecret(name.replace(/^env /, ''));
}

/**
 * Takes secrets out of values that come from elsewhere than a record: a step's inputs as the cache has them.
 * @param variables as for openRowWriter
 */
export function openValueRedaction(variables: Variables): (name: string, value: string) => string {
  const secrets = secretTexts(variables);
  return (name, value) => {
    if (soundsSecret(name.replace(/^env /, ''))) return GONE;
    return redactAssignments(withoutTokens(secrets.replaceIn(value, GONE)));
  };
}

/** Writes rows as JSON, without what must not be kept. */
export interface RowWriter {
  readonly write: (row: BuildHeader | Timed<RecordedEvent | BuildResultRow>) => string;
  /** Takes a text out of all rows to come, and each of its lines: a program may print them one by one. */
  readonly hide: (text: string) => void;
}

function mayHoldSecrets(json: string, isOutput: boolean): boolean {
  return (
    (json.includes('@') && json.includes('://')) ||
    (TOKEN_MARKS.some((mark) => json.includes(mark)) && json.search(TOKENS) !== -1) ||
    (!isOutput && json.includes('=') && SECRET_NAME.test(json)) ||
    json.includes(VARIABLE)
  );
}

/** @param variables of the command line: the values of those that sound secret are taken out everywhere */
export function openRowWriter(variables: Variables): RowWriter {
  const secrets = secretTexts(variables);
  const redact = (text: string, isOutput: boolean): string => {
    // Whole secrets first: a part of one may look like a token.
    const rest = withoutTokens(secrets.replaceIn(text, GONE));
    return isOutput ? rest : redactAssignments(rest);
  };
  const hide: RowWriter['hide'] = (text) => secrets.add(withLines(text));
  const write: RowWriter['write'] = (row) => {
    const plain = JSON.stringify(row);
    const isOutput = row.type === 'output';
    // Most rows have nothing that has to be looked at closely, which takes ten times as long.
    if (secrets.isEmpty() && !mayHoldSecrets(plain, isOutput)) return plain;
    return JSON.stringify(row, (name, value: unknown) => {
      if (typeof value === 'string') return OWN_MEMBERS.has(name) ? value : redact(value, isOutput);
      return isSecretOperand(value) ? { ...value, before: GONE, after: GONE } : value;
    });
  };
  return { write, hide };
}
