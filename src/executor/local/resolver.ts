/** /etc/resolv.conf of a container (resolv.conf(5)). */
import type { Resolver } from '../../plan/step.js';

/** Values of all lines that begin with one of the words. */
function getValues(text: string, words: readonly string[]): string[] {
  return text.split('\n').flatMap((line) => {
    const [word = '', ...values] = line.split(/\s+/);
    return words.includes(word) ? values.filter(Boolean) : [];
  });
}

/**
 * The file of this machine with what a build says otherwise.
 * @param text of this machine's file
 */
export function resolvConf(text: string, { servers, search, options }: Resolver): string {
  const or = (given: readonly string[], ...words: string[]) =>
    given.length > 0 ? given : getValues(text, words);
  const domains = or(search, 'search', 'domain').filter((domain) => domain !== '.');
  const wanted = or(options, 'options');
  const lines = [
    ...(domains.length > 0 ? [`search ${domains.join(' ')}`] : []),
    ...or(servers, 'nameserver').map((server) => `nameserver ${server}`),
    ...(wanted.length > 0 ? [`options ${wanted.join(' ')}`] : []),
  ];
  return lines.map((line) => `${line}\n`).join('');
}
