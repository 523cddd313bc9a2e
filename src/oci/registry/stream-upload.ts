/** Pushes a blob while it is being made: its bytes go out before its digest is known. */
import type { Descriptor, OpenBlob } from '../resolved-image.js';
import type { RegistryClient } from './client.js';
import { begin, finish, getUpload } from './upload.js';

/**
 * One PATCH without a length, as docker and skopeo send it ("stream upload" in the API of Docker's
 * registry; the distribution-spec has it as a chunk without Content-Range), then the digest.
 * @param open the blob's bytes, which end when it is complete
 * @param made the blob, once it is complete
 * @throws ImageError, and what `made` rejects with; nothing is repeated
 */
export async function uploadGrowingBlob(
  client: RegistryClient,
  open: OpenBlob,
  made: Promise<Pick<Descriptor, 'digest'>>,
): Promise<void> {
  const what = `${client.verbs.write} ${client.title}`;
  const { location } = await begin(client, what);
  const response = await client.session.request({
    method: 'PATCH',
    target: location,
    headers: { 'content-type': 'application/octet-stream' },
    scopes: client.scopes,
    body: open,
    expect: [202, 201, 204],
    what,
    retry: false,
  });
  await response.dump();
  const { digest } = await made;
  await finish(client, getUpload(client, response, 0, what), digest, what);
}
