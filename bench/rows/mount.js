// A RUN step with a cache mount that has 2,000 files, again because its argument changed.
import { stepsContext } from '../contexts.js';
import { time } from '../harness.js';
import { ofBuildKit } from '../table.js';

const MAKE = 'for f in $(busybox seq 2000); do echo $f > /cache/$f; done';
const LOOK = 'ls /cache > /list';

export function measure({ builds, builders, directory }) {
  const context = directory('mount');
  stepsContext(context, [
    'ARG day',
    `RUN --mount=type=cache,target=/cache echo $day; [ -e /cache/2000 ] || ${MAKE}; ${LOOK}`,
  ]);
  const build = (builder, day) => builder.build(context, { args: ['--build-arg', `day=${day}`] });
  for (const builder of Object.values(builders)) time(build(builder, 'first'));
  const times = builds((builder, round) => build(builder, round));
  return {
    rows: [{ title: 'cache mount of 2,000 files, again', times, targets: ofBuildKit(times, 0.5) }],
  };
}
