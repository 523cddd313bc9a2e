/** The pages that `wiac ui` serves; the address says which. */
import { render } from 'preact';
import { listenToKeys } from '../keys.js';
import { keepAddress } from '../state.js';
import { BuildsView, followBuilds } from './builds-view.js';
import { loadEntries } from './entries-table.js';
import { followReport, LiveReport } from './live-report.js';
import { loadUsage, StoreView } from './store-view.js';

const root = document.getElementById('page');
const { pathname } = location;
if (root && pathname.startsWith('/builds/')) {
  keepAddress();
  render(<LiveReport />, root);
  void followReport(pathname);
} else if (root && pathname === '/store') {
  render(<StoreView />, root);
  void loadUsage();
  void loadEntries();
} else if (root) {
  render(<BuildsView />, root);
  void followBuilds();
}
listenToKeys();
