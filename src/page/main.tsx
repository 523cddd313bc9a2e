/** Draws the report whose data is in this file. */
import { render } from 'preact';
import { App } from './app.js';
import { listenToKeys } from './keys.js';
import { keepAddress } from './state.js';

keepAddress();
const root = document.getElementById('page');
if (root) render(<App />, root);
listenToKeys();
