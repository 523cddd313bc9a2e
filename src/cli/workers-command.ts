/** `wiac workers` */
import { listQueue } from '../executor/queue/list-queue.js';
import { openRedis } from '../executor/queue/redis-link.js';
import { formatWorkers } from '../ui/workers-table.js';

/** Prints who is in a queue. @throws QueueError */
export async function workersCommand({
  queue,
  json,
}: {
  readonly queue: string;
  readonly json: boolean;
}): Promise<void> {
  const link = await openRedis(queue);
  try {
    const listed = await listQueue(link.redis);
    process.stdout.write(json ? `${JSON.stringify(listed, null, 2)}\n` : formatWorkers(listed));
  } finally {
    link.close();
  }
}
