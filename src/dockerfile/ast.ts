/**
 * What the parser makes of a Dockerfile: one typed record an instruction, words not yet expanded
 * (expansion needs the values of ARG and ENV, which only the plan knows). Terms are those of the
 * Dockerfile reference.
 */
import type { SourceLocation } from '../util/errors.js';

/** `--name=value` after the instruction's keyword; `value` is undefined for a bare `--name`. */
export interface InstructionFlag {
  readonly name: string;
  readonly value: string | undefined;
  readonly location: SourceLocation;
}

/** A here-document that belongs to a RUN, COPY or ADD. */
export interface Heredoc {
  /** The delimiter word without quotes; for COPY and ADD it is the file's name. */
  readonly name: string;
  /** False when any part of the delimiter was quoted: the content is taken literally. */
  readonly expand: boolean;
  /** `<<-`: leading tabs were removed from every line of `content` already. */
  readonly stripTabs: boolean;
  /** File descriptor number written before `<<` (RUN 3<<EOF), undefined mostly. */
  readonly fd: number | undefined;
  readonly content: string;
}

/** Operands of RUN, CMD, ENTRYPOINT, SHELL and HEALTHCHECK CMD. */
export type Command =
  | { readonly form: 'exec'; readonly argv: readonly string[] }
  /** The text after the keyword and flags, continuation lines joined, unexpanded. */
  | { readonly form: 'shell'; readonly text: string };

interface Base {
  /** As written, for messages (`RUN`, `run`, `Run`). */
  readonly keyword: string;
  /** Continuations joined, comments removed, trimmed: what history and progress show. */
  readonly original: string;
  readonly location: SourceLocation;
  readonly flags: readonly InstructionFlag[];
}

export interface FromInstruction extends Base {
  readonly kind: 'from';
  readonly image: string;
  /** Stage name after AS, as written. */
  readonly name: string | undefined;
  /** The word AS as written ('as', 'AS'), for the linter. */
  readonly asKeyword: string | undefined;
}
export interface RunInstruction extends Base {
  readonly kind: 'run';
  readonly command: Command;
  readonly heredocs: readonly Heredoc[];
}
export interface CopyInstruction extends Base {
  readonly kind: 'copy' | 'add';
  /** Paths, wildcards or (ADD) URLs; without the heredoc words. */
  readonly sources: readonly string[];
  readonly heredocs: readonly Heredoc[];
  readonly destination: string;
}
export interface EnvInstruction extends Base {
  readonly kind: 'env';
  readonly pairs: readonly KeyValue[];
}
export interface LabelInstruction extends Base {
  readonly kind: 'label';
  readonly pairs: readonly KeyValue[];
}
/** Key and raw (unexpanded, still quoted) value. `legacy` marks the `ENV key value` form. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
  readonly legacy: boolean;
}
export interface ArgInstruction extends Base {
  readonly kind: 'arg';
  readonly args: readonly { readonly name: string; readonly defaultValue: string | undefined }[];
}
export interface CmdInstruction extends Base {
  readonly kind: 'cmd' | 'entrypoint';
  readonly command: Command;
}
export interface ShellInstruction extends Base {
  readonly kind: 'shell';
  readonly argv: readonly string[];
}
export interface WordInstruction extends Base {
  readonly kind: 'workdir' | 'user' | 'stopsignal' | 'maintainer';
  readonly value: string;
}
export interface ListInstruction extends Base {
  readonly kind: 'expose' | 'volume';
  readonly values: readonly string[];
  /** VOLUME ["/data"] was written as JSON. */
  readonly json: boolean;
}
export interface HealthcheckInstruction extends Base {
  readonly kind: 'healthcheck';
  /** undefined for HEALTHCHECK NONE. */
  readonly command: Command | undefined;
}
export interface OnbuildInstruction extends Base {
  readonly kind: 'onbuild';
  /** The trigger, parsed as the instruction that it is. */
  readonly trigger: Instruction;
}

export type Instruction =
  | FromInstruction
  | RunInstruction
  | CopyInstruction
  | EnvInstruction
  | LabelInstruction
  | ArgInstruction
  | CmdInstruction
  | ShellInstruction
  | WordInstruction
  | ListInstruction
  | HealthcheckInstruction
  | OnbuildInstruction;

/** Parser directives at the top of the file, as written. */
export interface Directives {
  readonly syntax: string | undefined;
  readonly escape: '\\' | '`';
  /** The text after `# check=`. */
  readonly check: string | undefined;
}

/** The comment block right above an instruction; `# name description` above FROM and ARG matters to the linter. */
export interface CommentBlock {
  readonly line: number;
  readonly text: string;
}

export interface Dockerfile {
  readonly file: string;
  /** The physical lines, for excerpts in messages. */
  readonly lines: readonly string[];
  readonly directives: Directives;
  readonly instructions: readonly Instruction[];
  readonly comments: readonly CommentBlock[];
  /** Lines (from 1) inside a continuation that are empty, which the reference deprecates. */
  readonly emptyContinuationLines: readonly number[];
}
