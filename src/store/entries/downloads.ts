/** What servers said of files that ADD fetched, by URL: an unchanged file is not sent again. */

import { tablesOf } from '../index/tables.js';
import type { DownloadRecord } from '../records.js';
import type { Store } from '../store.js';

/** What is known of a URL. */
export function findDownload(store: Store, url: string): DownloadRecord | undefined {
  const index = tablesOf(store);
  return index.downloads.get(url);
}

/** Keeps what a server said of a URL. */
export async function noteDownload(
  store: Store,
  url: string,
  { digest, etag, lastModified }: DownloadRecord,
): Promise<void> {
  const index = tablesOf(store);
  await index.downloads.put(url, { digest, etag, lastModified });
}
