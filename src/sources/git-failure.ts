/** Why git could not reach a repository, in the one line of its output that says so. */

/** What git says after every failure of ssh and of submodules, whatever the reason was. */
const CLOSING = [
  /^fatal: could not read from remote repository\.?$/i,
  /^Please make sure you have the correct access rights$/,
  /^and the repository exists\.$/,
  /^fatal: clone of '.*' into submodule path '.*' failed$/,
  /^Failed to clone '.*'\. Retry scheduled$/,
  /^Failed to clone '.*' a second time, aborting$/,
  /^fatal: Failed to recurse into submodule path '.*'$/,
];

const SUBMODULE = /^fatal: clone of '(.*)' into submodule path '.*' failed$/;

/** What helps against what ssh says. */
const HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /Host key verification failed/,
    'ssh does not know this host by that key: compare the key that ssh-keyscan HOST prints with the one that its owner publishes, and add it to known_hosts',
  ],
  [
    /Permission denied \(/,
    'no key of the agent was taken: --ssh default=KEYFILE, or ssh-add KEYFILE with $SSH_AUTH_SOCK set, or IdentityFile in the config of ssh',
  ],
];

const CHECK = 'check the URL, the ref, and your access to the repository';

/** What a failure is told as. */
export interface GitFailure {
  readonly reason: string | undefined;
  readonly hint: string;
}

/** @param stderr of a git that failed, in English */
export function explainGitFailure(stderr: string): GitFailure {
  const lines = stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const said = lines.filter((line) => !CLOSING.some((closing) => closing.test(line)));
  const last = said.at(-1) ?? lines.at(0);
  if (last === undefined) return { reason: undefined, hint: CHECK };
  const submodule = lines.map((line) => SUBMODULE.exec(line)?.[1]).find(Boolean);
  const reason = submodule === undefined ? last : `the submodule ${submodule}: ${last}`;
  return { reason, hint: HINTS.find(([text]) => text.test(last))?.[1] ?? CHECK };
}
