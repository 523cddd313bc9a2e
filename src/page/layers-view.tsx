/** The layers of the result: how large, made by what, and which bytes are there for nothing. */
import { useSignal } from '@preact/signals';
import type { FileNode, ReportLayer, ReportLayers, Waste } from '../report/report-data.js';
import { formatBytes } from '../ui/format.js';
import { build, getStep, isWide, select } from './state.js';
import { TreemapView } from './treemap-view.js';
import { plural } from './wording.js';

/** Rows of waste that are shown. */
const MOST = 60;

const KINDS: Readonly<Record<Waste['kind'], string>> = {
  overwritten: 'overwritten later',
  deleted: 'deleted later',
  twice: 'there twice',
};

const titleOf = ({ step, title }: ReportLayer, index: number) =>
  (step === undefined ? undefined : getStep(step)?.name) ?? `${title}, layer ${index + 1}`;

/** All layers as one directory. */
function wholeTree({ layers, bytes }: ReportLayers): FileNode {
  return {
    n: '',
    b: bytes,
    c: layers.flatMap((layer, index) =>
      layer.bytes === 0
        ? []
        : [
            {
              ...layer.tree,
              n: titleOf(layer, index),
              ...(layer.wasted > 0 ? { w: layer.wasted } : {}),
            },
          ],
    ),
  };
}

interface ListProps {
  readonly layers: ReportLayers;
  readonly chosen: string | undefined;
  readonly onChoose: (name: string, step: string | undefined) => void;
}

function LayerList({ layers: { layers, bytes }, chosen, onChoose }: ListProps) {
  const share = (part: number) => `${(100 * part) / Math.max(1, bytes)}%`;
  const rows = layers.map((layer, index) => ({ layer, name: titleOf(layer, index) }));
  return (
    <ol class="layer-list">
      {rows.reverse().map(({ layer, name }) => (
        <li key={name}>
          <button
            type="button"
            aria-pressed={chosen === name}
            onClick={() => onChoose(name, layer.step)}
            disabled={layer.bytes === 0 && layer.step === undefined}
          >
            <span class="layer-head">
              <span class="step-name">{name}</span>
              <span class="number">{formatBytes(layer.bytes)}</span>
            </span>
            <code>{layer.title}</code>
            <span class="size-bar" aria-hidden="true">
              <i style={{ width: share(layer.bytes - layer.wasted) }} />
              <i class="wasted" style={{ width: share(layer.wasted) }} />
            </span>
            {layer.wasted > 0 ? (
              <span class="quiet">{formatBytes(layer.wasted)} wasted</span>
            ) : null}
          </button>
        </li>
      ))}
    </ol>
  );
}

function WasteTable({ layers }: { readonly layers: ReportLayers }) {
  const { waste, wasteCount, wasted, uncompared } = layers;
  const kinds = (Object.keys(KINDS) as Waste['kind'][]).filter((kind) => wasted[kind] > 0);
  if (wasteCount === 0)
    return <p class="lead">No byte is wasted: no file is overwritten, deleted or there twice.</p>;
  const rows = waste.slice(0, MOST);
  const layerName = (index: number) => {
    const layer = layers.layers[index];
    return layer ? titleOf(layer, index) : '';
  };
  return (
    <section class="waste">
      <h2>Wasted bytes</h2>
      <p class="lead">
        {kinds.map((kind) => `${formatBytes(wasted[kind])} ${KINDS[kind]}`).join(', ')}
        {uncompared > 0 ? `; ${plural(uncompared, 'file')} of equal size not compared` : ''}.
      </p>
      <div class="scrolls">
        <table>
          <thead>
            <tr>
              <th scope="col" class="number">
                bytes
              </th>
              <th scope="col">file</th>
              <th scope="col">in layer</th>
              <th scope="col">why</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ kind, path, bytes, layer, by, other }) => (
              <tr key={`${kind} ${layer} ${path}`}>
                <td class="number">{formatBytes(bytes)}</td>
                <td class="path">{path}</td>
                <td>{layerName(layer)}</td>
                <td>
                  {kind === 'twice' ? (
                    <>
                      same as <span class="path">{other}</span>
                    </>
                  ) : (
                    `${kind} by ${layerName(by)}`
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {wasteCount > rows.length ? (
        <p class="quiet">
          The largest {rows.length} of {wasteCount.toLocaleString('en')}.
        </p>
      ) : null}
    </section>
  );
}

interface CrumbsProps {
  readonly path: readonly string[];
  readonly onPath: (path: readonly string[]) => void;
}

function Crumbs({ path, onPath }: CrumbsProps) {
  return (
    <nav class="crumbs" aria-label="Directory">
      {['All layers', ...path].map((name, index, all) => (
        <button
          type="button"
          class="plain"
          key={all.slice(0, index + 1).join('\n')}
          disabled={index === all.length - 1}
          onClick={() => onPath(path.slice(0, index))}
        >
          {name}
        </button>
      ))}
    </nav>
  );
}

export function LayersView() {
  const path = useSignal<readonly string[]>([]);
  const { layers } = build.value;
  if (!layers) return null;
  const onPath = (to: readonly string[]) => {
    path.value = to;
  };
  return (
    <div class="layers-view">
      <LayerList
        layers={layers}
        chosen={path.value[0]}
        onChoose={(name, step) => {
          onPath(path.value[0] === name ? [] : [name]);
          // On a phone it would cover the treemap.
          if (step !== undefined && isWide.value) select(step);
        }}
      />
      <div class="map-side">
        <Crumbs path={path.value} onPath={onPath} />
        <TreemapView root={wholeTree(layers)} path={path.value} onPath={onPath} />
        <p class="legend">
          <span>area is size</span> <i class="key tile wasted" /> wasted{' '}
          <i class="key tile partly" /> partly wasted
        </p>
      </div>
      <WasteTable layers={layers} />
    </div>
  );
}
