/** One function for each form of instruction: Dockerfile reference, "Overview" and what follows. */
import { DockerfileError, type SourceLocation } from '../util/errors.js';
import { suggest } from '../util/suggest.js';
import type {
  CopyInstruction,
  HealthcheckInstruction,
  Heredoc,
  Instruction,
  InstructionFlag,
} from './ast.js';
import { checkFlags } from './flags.js';
import { isHeredocOperator, readHeredocWord } from './heredoc.js';
import {
  jsonStrings,
  type OperandContext,
  operandError,
  readArgs,
  readCommand,
  readPairs,
  readWords,
} from './operands.js';
import { skipSpace } from './space.js';
import { splitBlanks, splitInstruction, type Word } from './words.js';

/** An instruction on one line, ready to be read. */
export interface InstructionSource {
  readonly word: Word;
  readonly original: string;
  readonly heredocs: readonly Heredoc[];
  readonly escape: '\\' | '`';
  readonly locate: (offset: number, until?: number) => SourceLocation;
  /** Last physical line, that of the last heredoc delimiter if there is one. */
  readonly endLine: number;
}

interface Base {
  readonly keyword: string;
  readonly original: string;
  readonly location: SourceLocation;
  readonly flags: readonly InstructionFlag[];
}

/** What stands after each keyword, for the message when it is missing. */
const WANTED: Readonly<Record<Instruction['kind'], string>> = {
  add: 'ADD source ... destination',
  arg: 'ARG name or ARG name=default',
  cmd: 'CMD ["program", "operand"] or CMD command; CMD [] removes the one of the base image',
  copy: 'COPY source ... destination',
  entrypoint:
    'ENTRYPOINT ["program", "operand"] or ENTRYPOINT command; ENTRYPOINT [] removes the one of the base image',
  env: 'ENV name=value',
  expose: 'EXPOSE port or EXPOSE port/protocol',
  from: 'FROM image or FROM image AS name',
  healthcheck: 'HEALTHCHECK CMD command or HEALTHCHECK NONE',
  label: 'LABEL name=value',
  maintainer: 'MAINTAINER name, or better LABEL org.opencontainers.image.authors=name',
  onbuild: 'ONBUILD and the instruction to run, for example ONBUILD RUN make',
  run: 'RUN command or RUN ["program", "operand"]',
  shell: 'SHELL ["program", "operand"]',
  stopsignal: 'STOPSIGNAL signal, for example STOPSIGNAL SIGTERM',
  user: 'USER name or USER name:group',
  volume: 'VOLUME path',
  workdir: 'WORKDIR path',
};

/** BuildKit hands the shell an empty command. */
const MAY_BE_EMPTY: readonly Instruction['kind'][] = ['run', 'cmd', 'entrypoint'];

const STAGE_NAME = /^[a-z][a-z0-9\-_.]*$/;
const FORBIDDEN_TRIGGERS: readonly string[] = ['onbuild', 'from', 'maintainer'];

/** Every instruction there is. */
export function instructionKinds(): readonly Instruction['kind'][] {
  return Object.keys(WANTED) as Instruction['kind'][];
}

/** The instruction that a keyword in any case names; undefined when there is none. */
export function instructionKind(keyword: string): Instruction['kind'] | undefined {
  const lower = keyword.toLowerCase();
  return instructionKinds().find((kind) => kind === lower);
}

/**
 * Reads one instruction; for ONBUILD the trigger too.
 *
 * @throws DockerfileError located at the keyword, flag or operand that is wrong
 */
export function readInstruction(source: InstructionSource): Instruction {
  const { word, locate } = source;
  const split = splitInstruction(word);
  const start = locate(word.offset);
  const kind = instructionKind(split.keyword);
  if (kind === undefined) throw unknownInstruction(split.keyword, start);
  const flags = split.flags.map((flag) => readFlag(flag, locate));
  const keyword = kind.toUpperCase();
  checkFlags(kind, keyword, flags);
  const { operands } = split;
  if (operands.text === '' && !MAY_BE_EMPTY.includes(kind)) {
    throw new DockerfileError(
      `${keyword} has no operands`,
      { ...start, endLine: source.endLine },
      { hint: `write ${WANTED[kind]}` },
    );
  }
  const base: Base = {
    keyword: split.keyword,
    original: source.original,
    location: { ...start, endLine: source.endLine },
    flags,
  };
  return readOperands(kind, base, { keyword, operands, escape: source.escape, locate }, source);
}

function readFlag(word: Word, locate: InstructionSource['locate']): InstructionFlag {
  const equals = word.text.indexOf('=');
  return {
    name: word.text.slice(2, equals < 0 ? undefined : equals),
    value: equals < 0 ? undefined : word.text.slice(equals + 1),
    location: locate(word.offset),
  };
}

function unknownInstruction(keyword: string, location: SourceLocation): DockerfileError {
  const near = suggest(keyword, Object.keys(WANTED));
  const shown = keyword.length > 40 ? `${keyword.slice(0, 40)}...` : keyword;
  return new DockerfileError(`unknown instruction ${shown}`, location, {
    hint:
      near === undefined
        ? 'if this line continues the one above, that one has to end with the escape character'
        : `did you mean ${near.toUpperCase()}?`,
  });
}

function readOperands(
  kind: Instruction['kind'],
  base: Base,
  context: OperandContext,
  source: InstructionSource,
): Instruction {
  const { heredocs } = source;
  switch (kind) {
    case 'from':
      return readFrom(base, context);
    case 'run': {
      const command = readCommand(context);
      if (command.form === 'exec') assertProgram(context, command.argv);
      return { kind, ...base, command, heredocs };
    }
    case 'copy':
    case 'add':
      return { kind, ...base, ...readCopy(context, heredocs) };
    case 'env':
    case 'label':
      return { kind, ...base, pairs: readPairs(context) };
    case 'arg':
      return { kind, ...base, args: readArgs(context) };
    case 'cmd':
    case 'entrypoint':
      return { kind, ...base, command: readCommand(context) };
    case 'shell':
      return { kind, ...base, argv: readShell(context) };
    case 'workdir':
    case 'user':
    case 'stopsignal':
    case 'maintainer':
      return { kind, ...base, value: context.operands.text };
    case 'expose': {
      const { text, offset } = context.operands;
      const values = splitBlanks(text, offset).map((word) => word.text);
      return { kind, ...base, values, json: false };
    }
    case 'volume':
      return { kind, ...base, ...readVolumes(context) };
    case 'healthcheck':
      return { kind, ...base, command: readHealthcheck(context) };
    case 'onbuild':
      return { kind, ...base, trigger: readTrigger(context, source) };
  }
}

function readFrom(base: Base, context: OperandContext): Instruction {
  const words = splitBlanks(context.operands.text, context.operands.offset);
  const [image, as, name] = words;
  if (image === undefined || words.length === 2 || words.length > 3) {
    throw operandError(context, 'FROM has neither one nor three operands', `write ${WANTED.from}`);
  }
  if (as === undefined || name === undefined) {
    return { kind: 'from', ...base, image: image.text, name: undefined, asKeyword: undefined };
  }
  if (as.text.toLowerCase() !== 'as') {
    throw operandError(
      context,
      `FROM has '${as.text}' where AS belongs`,
      `write ${WANTED.from}`,
      as,
    );
  }
  if (!STAGE_NAME.test(name.text.toLowerCase())) {
    throw operandError(
      context,
      `invalid stage name '${name.text}'`,
      'a stage name starts with a letter and goes on with letters, digits, - _ and .',
      name,
    );
  }
  return { kind: 'from', ...base, image: image.text, name: name.text, asKeyword: as.text };
}

function assertProgram(context: OperandContext, argv: readonly string[]): void {
  if (argv.length > 0) return;
  const { keyword } = context;
  throw operandError(context, `${keyword} names no program`, `write ${keyword} ["program"]`);
}

function readShell(context: OperandContext): readonly string[] {
  const argv = jsonStrings(context);
  if (argv === undefined) {
    throw operandError(context, 'SHELL needs the JSON form', `write ${WANTED.shell}`);
  }
  assertProgram(context, argv);
  return argv;
}

function readVolumes(context: OperandContext) {
  const { words, json } = readWords(context);
  const values = words.map((word) => word.text.trim());
  if (values.length === 0 || values.includes('')) {
    throw operandError(context, 'VOLUME has an empty path', `write ${WANTED.volume}`);
  }
  return { values, json };
}

/** Splits COPY and ADD into sources, here-documents and the destination. */
function readCopy(
  context: OperandContext,
  heredocs: readonly Heredoc[],
): Pick<CopyInstruction, 'sources' | 'heredocs' | 'destination'> {
  const { keyword, locate } = context;
  const { words, json } = readWords(context);
  const destination = words.at(-1);
  if (destination === undefined || words.length < 2) {
    throw operandError(
      context,
      `${keyword} has no destination`,
      `write ${keyword} source ... destination, with at least one source`,
    );
  }
  if (json) {
    const sources = words.slice(0, -1).map((word) => word.text);
    return { sources, heredocs: [], destination: destination.text };
  }
  if (readHeredocWord(destination.text, locate(destination.offset)) !== undefined) {
    throw operandError(
      context,
      `${keyword} has a heredoc as its destination`,
      `write ${keyword} ${destination.text} path`,
      destination,
    );
  }
  const sources: string[] = [];
  const used: Heredoc[] = [];
  for (let at = 0; at < words.length - 1; at++) {
    const word = words[at] ?? destination;
    const apart = isHeredocOperator(word.text) && at + 2 < words.length;
    const text = apart ? `${word.text}${words[at + 1]?.text}` : word.text;
    const head = readHeredocWord(text, locate(word.offset));
    // With blanks it is one only if its content was found.
    if (head === undefined || (apart && heredocs[used.length]?.name !== head.name)) {
      sources.push(word.text);
      continue;
    }
    if (apart) at++;
    const heredoc = heredocs[used.length];
    if (heredoc?.name !== head.name) throw misreadHeredoc(context, word);
    used.push(heredoc);
  }
  const first = words[0];
  if (used.length !== heredocs.length && first !== undefined) throw misreadHeredoc(context, first);
  return { sources, heredocs: used, destination: destination.text };
}

function misreadHeredoc(context: OperandContext, word: Word): DockerfileError {
  return operandError(
    context,
    `${context.keyword} has a heredoc that cannot be told from quoted text`,
    'quotes in the operands must match, and a heredoc delimiter cannot have blanks',
    word,
  );
}

function readHealthcheck(context: OperandContext): HealthcheckInstruction['command'] {
  const { text, offset } = context.operands;
  const [type] = splitBlanks(text, offset);
  const name = type?.text.toUpperCase();
  const rest = skipSpace(text, name?.length ?? 0);
  const command = { text: text.slice(rest), offset: offset + rest };
  if (name === 'NONE') {
    if (command.text === '') return undefined;
    throw operandError(
      context,
      'HEALTHCHECK NONE takes no operands',
      'write HEALTHCHECK NONE',
      command,
    );
  }
  if (name !== 'CMD') {
    throw operandError(
      context,
      `HEALTHCHECK has '${type?.text}' where CMD or NONE belongs`,
      `write ${WANTED.healthcheck}`,
      type,
    );
  }
  if (command.text === '') {
    throw operandError(context, 'HEALTHCHECK CMD has no command', `write ${WANTED.healthcheck}`);
  }
  const read = readCommand(context, command);
  if (read.form === 'exec') assertProgram(context, read.argv);
  return read;
}

function readTrigger(context: OperandContext, source: InstructionSource): Instruction {
  const { operands, locate } = context;
  const { keyword } = splitInstruction(operands);
  if (FORBIDDEN_TRIGGERS.includes(keyword.toLowerCase())) {
    throw new DockerfileError(
      `${keyword.toUpperCase()} is not allowed as a trigger of ONBUILD`,
      locate(operands.offset),
      { hint: 'ONBUILD takes any instruction but ONBUILD, FROM and MAINTAINER' },
    );
  }
  // It is carried out from its text: blanks at a continuation may stand between quotes.
  return readInstruction({ ...source, word: operands, original: operands.text });
}
