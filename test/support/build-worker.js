// A process that builds whenever its parent asks for it: what starting Node costs is paid once.
import { buildHere } from '../../dist-checkpoints/in-process.js';

process.on('message', async ({ root, path, options }) => {
  try {
    process.send({ built: await buildHere(root, path, options) });
  } catch (error) {
    process.send({ failed: error.stack });
  }
});
process.on('disconnect', () => process.exit());
process.send({ ready: true });
