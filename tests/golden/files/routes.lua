return { route = function() end }
