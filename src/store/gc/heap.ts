/** A priority queue (binary heap): smallest number first. */
export interface Heap<T> {
  readonly push: (priority: number, value: T) => void;
  readonly pop: () => { readonly priority: number; readonly value: T } | undefined;
}

/** An empty heap. Both operations take O(log n). */
export function createHeap<T>(): Heap<T> {
  const nodes: { priority: number; value: T }[] = [];
  const priorityAt = (at: number) => nodes[at]?.priority ?? Number.POSITIVE_INFINITY;
  const swap = (a: number, b: number) => {
    const [first, second] = [nodes[a], nodes[b]];
    if (first && second) [nodes[a], nodes[b]] = [second, first];
  };
  const rise = (from: number) => {
    for (let at = from; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (priorityAt(parent) <= priorityAt(at)) return;
      swap(parent, at);
      at = parent;
    }
  };
  const sink = () => {
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      const child = priorityAt(right) < priorityAt(left) ? right : left;
      if (priorityAt(child) >= priorityAt(at)) return;
      swap(child, at);
      at = child;
    }
  };
  return {
    push: (priority, value) => {
      nodes.push({ priority, value });
      rise(nodes.length - 1);
    },
    pop: () => {
      const first = nodes[0];
      const last = nodes.pop();
      if (last && nodes.length > 0) {
        nodes[0] = last;
        sink();
      }
      return first;
    },
  };
}
