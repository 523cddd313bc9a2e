/**
 * wiac as a library: the same engine that the commands use. docs/library.md shows how.
 *
 * What is exported here is public: names and meanings change only with a new major version. A program
 * needs root, or a user namespace in which it is root, to build and to run; questions need neither.
 */

export type { PackageChange } from '../attest/compare-packages.js';
export type {
  ExecutionInputs,
  ExecutionIo,
  Executor,
  LayerArtifact,
} from '../executor/executor.js';
export { localExecutor } from '../executor/local/local-executor.js';
export type { FileChange, ShownFile } from '../fs/layer/diff-stacks.js';
export type { LockProblem } from '../lock/check-lock.js';
export type { Renewal } from '../lock/lock-inputs.js';
export type { LockChange } from '../lock/merge-lock.js';
export type { ImageReport } from '../repro/image-report.js';
export type { ReproReport } from '../repro/repro-report.js';
export type { HistoryBounds } from '../store/builds/build-files.js';
export { storeRoot } from '../store/paths.js';
export type { Store } from '../store/store.js';
export type { SourceLocation } from '../util/errors.js';
export * from '../util/errors.js';
export type { SignedPrefix } from '../verify/signed-prefixes.js';
export type { PlanAnswer, WhyAnswer } from './ask.js';
export type { DockerfileBuild, DockerfileResult, PlatformResult } from './build-dockerfile.js';
export type { ImageDocument } from './contents/carried.js';
export type { SubjectAccess } from './contents/image-subject.js';
export type { BuildEvent, EventSink } from './events.js';
export { EVENTS_VERSION } from './events.js';
export type { ResultExport } from './exports/export-result.js';
export type { Output } from './exports/output-spec.js';
export type { OutputRequest } from './exports/write-output.js';
export type { BuildRows, ReadOptions } from './history/read-builds.js';
export type * from './history/record.js';
export type { BuildGain, BuildOrigin, BuildRecorder } from './history/record-build.js';
export {
  build,
  checkLock,
  closeStore,
  diffFiles,
  diffPackages,
  diffSteps,
  exportResult,
  findEntry,
  imageProvenance,
  imageSbom,
  listBuilds,
  listEntries,
  loadBuild,
  lock,
  openStore,
  outdated,
  parseOutput,
  plan,
  prune,
  readBuild,
  rebuild,
  recordBuild,
  repro,
  run,
  signImage,
  stepFiles,
  verifyImage,
  watch,
  why,
} from './library-calls.js';
export type { OutdatedSource } from './locks/ask-lock.js';
export type { LockRequest } from './locks/find-inputs.js';
export type { LockResult } from './locks/lock-build.js';
export type { StepStatus } from './plan-status.js';
export type { RebuildRequest } from './repro/rebuild.js';
export type { ReproRequest, ReproResult } from './repro/reproduce.js';
export type { DockerfileRequest, PullPolicy } from './request.js';
export type { LayersRun, ProgramRun, RunOutcome } from './run-in-layers.js';
export type { SignedManifest, SignRequest } from './signatures/sign-image.js';
export type { VerifiedImage, VerifyRequest } from './signatures/verify-image.js';
export type { StepFiles, WantedStep } from './step-files.js';
export type { ShellOccasion, ShellRequest } from './step-shells.js';
export type { WatchedBuild, WatchListener } from './watch/watch-build.js';
