// Tests run the TypeScript sources through swc as real ES modules; the scripts of package.json set
// the node flag, and WIAC_TIER for those that run a part of the tests.
import { getTier, testFiles } from './test/support/tiers.js';

const { WIAC_TIER: tier } = process.env;

/** Files of the tier that was asked for; all of them otherwise. */
const testMatch =
  tier === undefined
    ? ['<rootDir>/test/**/*.test.ts']
    : testFiles()
        .filter((path) => getTier(path) === tier)
        .map((path) => `<rootDir>/test/${path}`);

export default {
  testEnvironment: 'node',
  // Jest would take the members of what a test file left in globalThis away, such as undici's dispatcher.
  // A connection that closes a moment later then ends in an endless recursion of Jest's setters.
  testEnvironmentOptions: { globalsCleanup: 'off' },
  testMatch,
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    // Most files load it, and its 130 modules take as long as Jest itself does for a small file. The set-up
    // bundles it, as users get it; pure tests have no set-up.
    ...(tier === 'pure' ? {} : { '^execa$': '<rootDir>/dist-checkpoints/execa.cjs' }),
  },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
    ],
  },
  ...(tier === 'pure'
    ? {}
    : {
        globalSetup: '<rootDir>/test/support/global-setup.js',
        globalTeardown: '<rootDir>/test/support/global-teardown.js',
      }),
  setupFilesAfterEnv: ['<rootDir>/test/support/equal-bytes.js'],
  testTimeout: 120_000,
  testSequencer: '<rootDir>/test/support/sequencer.js',
  // Two more than the CI machine has cores: tests also wait for disks, servers and signals, and with three files at once a
  // core was idle for a fifth of the time.
  maxWorkers: 4,
};
