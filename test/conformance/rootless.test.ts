/** All cases once more, as an ordinary user with ranges in /etc/subuid. */
import { GROUPS, listCases } from './cases.js';
import { rootlessConformance } from './rootless.js';

rootlessConformance({ ranges: true, names: GROUPS.flatMap(listCases), differences: {} });
