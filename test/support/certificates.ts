/** An authority of a test's own, and what it signed. */
import { join } from 'node:path';
import { execa } from 'execa';

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
const REQUEST = ['req', '-x509', ...NEW_KEY, '-days', '2'];

/** Makes an authority in a directory. @returns the file of its certificate */
export async function makeAuthority(directory: string): Promise<string> {
  const ca = join(directory, 'ca.pem');
  const files = ['-keyout', join(directory, 'ca.key'), '-out', ca];
  await execa('openssl', [...REQUEST, '-subj', '/CN=our own authority', ...files]);
  return ca;
}

/** A certificate for this machine, signed by the authority of a directory. */
export async function makeCertificate(
  directory: string,
  name = 'registry',
): Promise<{ certificate: string; key: string }> {
  const [certificate, key] = [join(directory, `${name}.cert`), join(directory, `${name}.key`)];
  await execa('openssl', [
    ...[...REQUEST, '-subj', `/CN=${name}`],
    ...['-addext', 'subjectAltName=IP:127.0.0.1', '-addext', 'basicConstraints=CA:false'],
    ...['-CA', join(directory, 'ca.pem'), '-CAkey', join(directory, 'ca.key')],
    ...['-keyout', key, '-out', certificate],
  ]);
  return { certificate, key };
}
