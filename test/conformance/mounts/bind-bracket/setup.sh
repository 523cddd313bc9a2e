mkdir x '[x]'; echo pattern > x/f; echo name > '[x]/f'
