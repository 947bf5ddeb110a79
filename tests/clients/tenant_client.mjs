// The client of tenant events (S1), as it is written there: the connection, the fallback to polling, the hook, the
// component that uses it, and the examples. Removed: the component's JSX (it returns what it would show). The globals
// `tenantId`, `token`, `currentUser` and what the handlers call are the page's.

import { useEffect, useState } from 'react';
import { io } from 'socket.io-client';

// --- option 1: WebSocket

// Connect
export const socket = io('http://localhost:3000', {
  auth: {
    token: localStorage.getItem('jwt_token')
  }
});

// Join tenant room
socket.emit('join-tenant', tenantId, (response) => {
  console.log('Joined room:', response);
  joined(response); // for the test to see
});

// Listen for events
socket.on('expense:created', (data) => {
  console.log('New expense:', data);
  updateExpenseList();
});

socket.on('goal:achieved', (data) => {
  console.log('Goal achieved!', data);
  showCelebration();
});

socket.on('budget:exceeded', (data) => {
  console.log('Budget warning:', data);
  showAlert(data.message);
});

// Reconnection handling
socket.on('disconnect', () => {
  console.log('disconnected, falling back to polling');
  startPolling();
});

socket.on('reconnect', () => {
  console.log('reconnected');
  stopPolling();
});

// --- option 2: polling

// For clients without WebSocket support
let lastPoll = null;
let pollingInterval = null;

export async function startPolling() {
  pollingInterval = setInterval(async () => {
    try {
      const response = await fetch(
        `/api/polling/${tenantId}/events?since=${lastPoll || new Date(0).toISOString()}`,
        {
          headers: {
            'Authorization': `Bearer ${token}`
          }
        }
      );

      const { data: events } = await response.json();

      // Process events
      events.forEach(event => {
        handleEvent(event.type, event.payload);
      });

      // Acknowledge events
      if (events.length > 0) {
        await fetch(`/api/polling/${tenantId}/events/acknowledge`, {
          method: 'POST',
          headers: { 'Authorization': `Bearer ${token}` },
          body: JSON.stringify({
            eventIds: events.map(e => e.id)
          })
        });
      }

      lastPoll = new Date().toISOString();
    } catch (error) {
      console.error('Polling error:', error);
    }
  }, 10000); // Poll every 10 seconds
}

export function stopPolling() {
  if (pollingInterval) clearInterval(pollingInterval);
}

// --- hooks/useWebSocket.js

export function useWebSocket(tenantId) {
  const [connected, setConnected] = useState(false);
  const [socket, setSocket] = useState(null);

  useEffect(() => {
    const token = localStorage.getItem('jwt_token');
    const newSocket = io(process.env.REACT_APP_API_URL, {
      auth: { token }
    });

    newSocket.on('connect', () => {
      setConnected(true);
      newSocket.emit('join-tenant', tenantId);
    });

    newSocket.on('disconnect', () => {
      setConnected(false);
    });

    setSocket(newSocket);

    return () => newSocket.close();
  }, [tenantId]);

  return { socket, connected };
}

// Usage in component
export function ExpenseList({ tenantId }) {
  const { socket, connected } = useWebSocket(tenantId);
  const [expenses, setExpenses] = useState([]);

  useEffect(() => {
    if (!socket) return;

    socket.on('expense:created', (expense) => {
      setExpenses(prev => [...prev, expense]);
    });

    socket.on('expense:deleted', ({ id }) => {
      setExpenses(prev => prev.filter(e => e.id !== id));
    });

    return () => {
      socket.off('expense:created');
      socket.off('expense:deleted');
    };
  }, [socket]);

  return { connected: connected ? 'Yes' : 'No', expenses };
}

// --- the examples, as functions of their socket

export function listenToMany(socket) {
  const eventHandlers = {
    'expense:created': (data) => updateExpenseList(),
    'goal:achieved': (data) => showCelebration(),
    'budget:exceeded': (data) => showAlert(data.message),
    'member:joined': (data) => updateTeamList()
  };

  Object.entries(eventHandlers).forEach(([event, handler]) => {
    socket.on(event, handler);
  });
}

export function batchUpdates(socket) {
  let pendingUpdates = [];

  socket.on('expense:created', (data) => {
    pendingUpdates.push(data);

    if (pendingUpdates.length === 1) {
      setTimeout(() => {
        updateUI(pendingUpdates);
        pendingUpdates = [];
      }, 100);
    }
  });
}

export function onlyOwn(socket) {
  // Only listen to own expenses
  socket.on('expense:created', (data) => {
    if (data.userId === currentUser.id) {
      updateOwnExpenses(data); // there: updateExpenseList()
    }
  });
}

export function monitor(socket) {
  // Listen to all events
  socket.onAny((event, ...args) => {
    console.log('Event:', event, args);
  });
}
