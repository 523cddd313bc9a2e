/** Headers of servers for files that ADD fetched, by URL: an unchanged file is not sent again. */

import { getTables } from '../index/tables.js';
import type { DownloadRecord } from '../records.js';
import type { Store } from '../store.js';

/** The record of a URL. */
export function findDownload(store: Store, url: string): DownloadRecord | undefined {
  const index = getTables(store);
  return index.downloads.get(url);
}

/** Stores the headers of a server for a URL. */
export async function noteDownload(
  store: Store,
  url: string,
  { digest, etag, lastModified }: DownloadRecord,
): Promise<void> {
  const index = getTables(store);
  await index.downloads.put(url, { digest, etag, lastModified });
}
