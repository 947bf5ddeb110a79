// The unified hub's client (S0): its service, its two hooks and the connection of its quick start, as they are written
// there. Nothing was left out; the three files stand in one, so their imports of one another are gone.

import io from 'socket.io-client';
import { useState, useEffect } from 'react';

// --- the quick start, as a function of its token

export function connect(accessToken) {
  const socket = io('http://localhost:5000', {
    auth: { token: accessToken }
  });

  // Listen for notifications
  socket.on('notification:new', (data) => {
    console.log('New notification:', data);
  });

  // Listen for alerts
  socket.on('alert:new', (data) => {
    console.log('New alert:', data);
  });

  return socket;
}

// --- services/websocketService.js

export class WebSocketService {
  constructor() {
    this.socket = null;
    this.listeners = new Map();
    this.reconnectAttempts = 0;
    this.maxReconnectAttempts = 5;
  }

  connect(token) {
    this.socket = io(WS_URL, {
      auth: { token },
      transports: ['websocket'],
      reconnection: true,
      reconnectionDelay: 1000,
      reconnectionDelayMax: 5000,
    });

    this.setupEventHandlers();
  }

  setupEventHandlers() {
    // Connection events
    this.socket.on('connect', () => {
      console.log('WebSocket connected');
      this.reconnectAttempts = 0;
    });

    this.socket.on('disconnect', (reason) => {
      console.log('WebSocket disconnected:', reason);
    });

    this.socket.on('error', (error) => {
      console.error('WebSocket error:', error);
    });

    // Forward all events to registered listeners
    this.socket.onAny((event, data) => {
      const callbacks = this.listeners.get(event) || [];
      callbacks.forEach(cb => cb(data));
    });
  }

  // Subscribe to an event
  on(event, callback) {
    if (!this.listeners.has(event)) {
      this.listeners.set(event, []);
    }
    this.listeners.get(event).push(callback);

    return () => this.off(event, callback); // Return unsubscribe function
  }

  // Unsubscribe from an event
  off(event, callback) {
    const callbacks = this.listeners.get(event) || [];
    this.listeners.set(event, callbacks.filter(cb => cb !== callback));
  }

  // Emit an event
  emit(event, data) {
    if (this.socket?.connected) {
      this.socket.emit(event, data);
    }
  }

  disconnect() {
    if (this.socket) {
      this.socket.disconnect();
      this.socket = null;
    }
  }
}

export const wsService = new WebSocketService();
export default wsService;

// --- hooks/useRealtimeNotifications.js

export function useRealtimeNotifications() {
  const [notifications, setNotifications] = useState([]);
  const [unreadCount, setUnreadCount] = useState(0);

  useEffect(() => {
    // Subscribe to notification events
    const unsubNew = wsService.on('notification:new', (notification) => {
      setNotifications(prev => [notification, ...prev]);
      setUnreadCount(prev => prev + 1);
    });

    const unsubRead = wsService.on('notification:read', ({ notification_id }) => {
      setNotifications(prev =>
        prev.map(n => n.id === notification_id ? { ...n, read: true } : n)
      );
      setUnreadCount(prev => Math.max(0, prev - 1));
    });

    const unsubCount = wsService.on('notification:count', ({ unread }) => {
      setUnreadCount(unread);
    });

    // Cleanup
    return () => {
      unsubNew();
      unsubRead();
      unsubCount();
    };
  }, []);

  return { notifications, unreadCount };
}

// --- hooks/useRealtimeAlerts.js

export function useRealtimeAlerts() {
  const [alerts, setAlerts] = useState([]);
  const [unacknowledgedCount, setUnacknowledgedCount] = useState(0);

  useEffect(() => {
    const unsubNew = wsService.on('alert:new', (alert) => {
      setAlerts(prev => [alert, ...prev]);
      setUnacknowledgedCount(prev => prev + 1);

      // Show toast/notification
      showToast({
        type: alert.severity,
        title: alert.title,
        message: alert.message
      });
    });

    const unsubAck = wsService.on('alert:acknowledged', ({ alert_id }) => {
      setAlerts(prev =>
        prev.map(a => a.id === alert_id ? { ...a, acknowledged: true } : a)
      );
      setUnacknowledgedCount(prev => Math.max(0, prev - 1));
    });

    return () => {
      unsubNew();
      unsubAck();
    };
  }, []);

  return { alerts, unacknowledgedCount };
}
