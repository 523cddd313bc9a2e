/** What is known of a machine. Plain data: what it means is judged elsewhere. */

/** Something was tried. `mend` says what helps, where the one who tried knows it. */
export type Trial =
  | { readonly works: true }
  | { readonly works: false; readonly why: string; readonly mend?: string };

/** Facts about a machine, its user and the user's store. */
export interface MachineFacts {
  /** As uname(2) has it: `6.1.0-18-amd64`. */
  readonly kernel: string;
  readonly node: string;
  readonly user: { readonly uid: number; readonly name: string };
  /** The program of native/. */
  readonly helper: Trial;
  /** System calls that wiac needs, and that are not there or hidden. */
  readonly missingCalls: readonly string[];
  /** A mount of overlayfs on the file system of the store, as wiac makes it. */
  readonly overlay: Trial;
  /** Of users other than root: a user namespace with one user. */
  readonly userNamespace: Trial;
  /** Has the user ranges in /etc/subuid and /etc/subgid, and newuidmap(1) to use them? */
  readonly ranges: {
    readonly subuid: boolean;
    readonly subgid: boolean;
    readonly uidmap: boolean;
    /** One that nobody has yet. */
    readonly free: string;
  };
  /** No program that this one starts may gain rights, as newuidmap(1) has to: PR_SET_NO_NEW_PRIVS. */
  readonly noNewPrivileges: boolean;
  /** The version of control groups in which wiac may make one for processes; undefined: in none. */
  readonly controlGroups: 1 | 2 | undefined;
  /** Which programs are there. */
  readonly programs: Readonly<Record<string, boolean>>;
  /** Architectures whose programs run here by an interpreter, besides this machine's own. */
  readonly foreign: readonly string[];
  readonly store: {
    readonly root: string;
    readonly writable: Trial;
    /** A command that opens it; it works as well where there is none yet. */
    readonly opens: Trial;
    /** Bytes that are free on its file system, and all of them. */
    readonly free: number;
    readonly size: number;
    /** The type of its file system: a number of statfs(2). */
    readonly type: number;
    /** The clock of its file system, less that of this machine. ms */
    readonly clockSkew: number;
  };
  /** ms since 1970 */
  readonly now: number;
  /** Variables that lead through a proxy, without passwords. */
  readonly proxies: Readonly<Record<string, string>>;
  /** Registries with a login, by file; `why` of a file that can't be read. */
  readonly logins: readonly {
    readonly file: string;
    readonly hosts: readonly string[];
    readonly why?: string;
  }[];
  /** How many files a process may have open, and how many directories a user may watch. */
  readonly openFiles: number;
  readonly watches: number;
}
