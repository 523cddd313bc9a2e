/** `wiac ui` */
import { once } from 'node:events';
import { serveUi } from '../serve/server.js';
import { storeServices } from '../serve/store-services.js';
import type { PruneTexts } from '../serve/ui-data.js';
import { boundBuildFiles } from '../store/builds/build-files.js';
import { UsageError } from '../util/errors.js';
import { abortOnSignal } from './abort-on-signal.js';
import { readHistoryBounds } from './config-file.js';
import type { SetExitCode } from './declare/options.js';
import { openUrl } from './open-url.js';
import { pruneRequest } from './prune-request.js';
import { readPage } from './read-page.js';
import { withScanStore, withStoreAsRoot } from './with-store.js';

/** As commander gives them. */
interface UiOptions {
  readonly port: number;
  readonly open: boolean;
}

/** As `--keep-days`. @throws UsageError */
function days(text: string): number {
  const number = Number(text);
  if (Number.isFinite(number) && number >= 0) return number;
  throw new UsageError(`--keep-days ${text}: it must be a number of days`);
}

/** What `wiac cache prune` with these options is asked to do. @throws UsageError */
function toRequest({ all = false, keepDays, ...texts }: PruneTexts, root: string) {
  return pruneRequest(
    { ...texts, all, ...(keepDays === undefined ? {} : { keepDays: days(keepDays) }) },
    root,
  );
}

/** `wiac ui`: until a signal ends it. @throws InterruptedError in the end; UsageError for a port that is taken */
export function uiCommand({ port, open }: UiOptions, setExitCode: SetExitCode): Promise<void> {
  return withStoreAsRoot(setExitCode, (store) =>
    withScanStore(store, async (scanStore) => {
      const { signal } = abortOnSignal();
      const services = storeServices(store, scanStore, {
        request: (options) => toRequest(options, store.paths.root),
        after: () => void boundBuildFiles(store, readHistoryBounds(process.env), Date.now()),
      });
      const { url, close } = await serveUi(services, readPage('ui'), port);
      let closePage = () => {};
      try {
        process.stdout.write(`${url}\n`);
        if (open) closePage = openUrl(url, (why) => process.stderr.write(`wiac: --open: ${why}\n`));
        if (!signal.aborted) await once(signal, 'abort');
        throw signal.reason;
      } finally {
        closePage();
        await close();
      }
    }),
  );
}
