// Builds a Dockerfile with wiac as a library, says why steps run, and runs a program in the result.
// node build.mjs DIRECTORY COMMAND...
import { build, closeStore, openStore, run, storeRoot, WiacError, why } from 'wiac';

const [context = '.', ...argv] = process.argv.slice(2);
const store = await openStore(storeRoot(process.env, process.getuid() === 0));
const controller = new AbortController();
process.once('SIGINT', () => controller.abort(new Error('stopped')));
const request = { context, environment: process.env, signal: controller.signal };

try {
  const { answers } = await why(store, request);
  const missed = answers.filter(({ status }) => status.status === 'miss');
  console.error(
    `${answers.length - missed.length} steps are in the cache, ${missed.length} are not`,
  );

  const { lowerdirs } = await build(store, {
    ...request,
    onEvent: (event) => {
      if (event.type === 'output') console.error(`| ${event.text}`);
    },
  });
  console.log(lowerdirs);

  if (argv.length > 0) process.exitCode = (await run({ lowerdirs, argv })).code;
} catch (error) {
  if (!(error instanceof WiacError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = error.exitCode;
} finally {
  await closeStore(store);
}
