/** What is told of a git that could not reach a repository. */
import { expect, test } from '@jest/globals';
import { explainGitFailure } from '../../src/sources/git-failure.js';

/** What git says below every failure of ssh. */
const closing = `fatal: Could not read from remote repository.

Please make sure you have the correct access rights
and the repository exists.
`;

test.each([
  [
    'a host that ssh does not know',
    `Host key verification failed.\n${closing}`,
    'Host key verification failed.',
    /known_hosts/,
  ],
  [
    'a key that changed',
    `@@@@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@@@@@\nHost key verification failed.\r\n${closing}`,
    'Host key verification failed.',
    /known_hosts/,
  ],
  [
    'no key',
    `git@host: Permission denied (publickey).\n${closing}`,
    'git@host: Permission denied (publickey).',
    /ssh-add/,
  ],
  [
    'no server',
    `ssh: connect to host host port 22: Connection refused\n${closing}`,
    'ssh: connect to host host port 22: Connection refused',
    /check the URL/,
  ],
  [
    'no repository',
    `fatal: '/r.git' does not appear to be a git repository\n${closing}`,
    "fatal: '/r.git' does not appear to be a git repository",
    /check the URL/,
  ],
  ['nothing but that', closing, 'fatal: Could not read from remote repository.', /check the URL/],
  [
    'a server of http',
    "fatal: repository 'http://host/r.git/' not found\n",
    "fatal: repository 'http://host/r.git/' not found",
    /check the URL/,
  ],
  [
    'a submodule',
    [
      'git@host: Permission denied (publickey).',
      `${closing}fatal: clone of 'ssh://git@host/m.git' into submodule path '/w/m' failed`,
      "Failed to clone 'm'. Retry scheduled",
      'git@host: Permission denied (publickey).',
      `${closing}fatal: clone of 'ssh://git@host/m.git' into submodule path '/w/m' failed`,
      "Failed to clone 'm' a second time, aborting",
    ].join('\n'),
    'the submodule ssh://git@host/m.git: git@host: Permission denied (publickey).',
    /ssh-add/,
  ],
])('%s', (_, stderr, reason, hint) => {
  expect(explainGitFailure(stderr)).toEqual({ reason, hint: expect.stringMatching(hint) });
});

test('a git that said nothing', () => {
  expect(explainGitFailure('\n').reason).toBeUndefined();
});
